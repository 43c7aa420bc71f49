// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import Glibc
import SystemPackage
import VirtualDisk

/// What `--fix` does.
extension Examination {
    func mend(_ finding: Finding, _ fix: Finding.Fix) throws(EngineError) {
        switch fix {
        case .recover(let folder):
            let lock = try FolderLock(folder.path, of: "machine '\(folder.name)'")
            defer { withExtendedLifetime(lock) {} }
            try Recovery(of: folder).run()
        case .removeLeftovers: try lab.removeLeftovers()
        case .remove:
            let lock = try FolderLock(lab.path, of: "the lab \(lab.path)")
            defer { withExtendedLifetime(lock) {} }
            // It may have become somebody's since, and a machine that is in use takes boot files in without this lock.
            if finding.path.starts(with: lab.path) {
                guard try Examination(of: lab.path).findings.contains(finding) else { return }
            }
            if finding.code == "boot-orphan", let busy = try lab.machines().first(where: \.isInUse) {
                throw EngineError(
                    .busy,
                    "machine '\(busy.name)' is in use and may be about to start from it; try again when it is not")
            }
            try FileSystem.removeAll(finding.path)
        case .makePrivate:
            guard unsafe finding.path.withPlatformString({ unsafe chmod($0, mode(of: finding.path) & 0o700) }) == 0
            else {
                throw EngineError(.system, "\(finding.path): \(Errno(rawValue: errno))")
            }
        case .repairDisk:
            let folder = try lab.machines().first { finding.path.starts(with: $0.path) }
            let lock = try folder.map { folder throws(EngineError) in
                try FolderLock(folder.path, of: "machine '\(folder.name)'")
            }
            defer { withExtendedLifetime(lock) {} }
            do { _ = try DiskCheck.repair(finding.path, beneath: lab.path) } catch {
                throw EngineError(.damaged, "\(error)", underlying: error)
            }
        }
    }

    private func mode(of path: FilePath) -> mode_t {
        FileSystem.status(of: path)?.st_mode ?? 0
    }
}

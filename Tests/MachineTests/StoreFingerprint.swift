// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc
import SystemPackage

/// What every name of a folder stands for, exactly: two are equal only when nothing was written, renamed or changed.
///
/// The kernel changes a file's ctime with its bytes, its mode and its name, and nobody can set it.
struct StoreFingerprint: Hashable, CustomStringConvertible {
    private let entries: [String: String]

    init(of folder: FilePath) {
        var entries = [".": Self.status(folder)]
        for name in FileManager.default.enumerator(atPath: folder.string) ?? .init() {
            guard let name = name as? String else { continue }
            entries[name] = Self.status(folder.appending(name))
        }
        self.entries = entries
    }

    /// What differs, for a message.
    func changes(to other: StoreFingerprint) -> [String] {
        Set(entries.keys).union(other.entries.keys).filter { entries[$0] != other.entries[$0] }.sorted()
    }

    var description: String { "\(entries.count) files" }

    private static func status(_ path: FilePath) -> String {
        var status = stat()
        guard unsafe path.withPlatformString({ unsafe lstat($0, &status) }) == 0 else { return "missing" }
        let times = [status.st_mtim, status.st_ctim].map { "\($0.tv_sec).\($0.tv_nsec)" }
        return "\(status.st_ino) \(status.st_mode) \(status.st_size) \(times)"
    }
}

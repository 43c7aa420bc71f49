// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import Glibc
import Hashing
import SystemPackage

/// The lab's own files.
extension Examination {
    mutating func examineStore() throws(EngineError) {
        _ = try FileSystem.entries(of: lab.path)
        if !FileSystem.exists(lab.storeFile) {
            add(
                Finding(
                    "store-missing", lab.storeFile, "the file that makes the folder a lab is missing",
                    remedy: "put it back: {\"format\": \"fermata-store\", \"version\": \(LabFolder.formatVersion)}"))
        } else {
            do throws(EngineError) { _ = try LabFolder.open(lab.path) } catch {
                add(
                    Finding(
                        "store-damaged", lab.storeFile, Self.rest(of: error, lab.storeFile),
                        remedy: "put back the file as it was, or use the Fermata that wrote it"))
            }
        }
        examineMode(lab.path)
    }

    /// What lies beside the machines: leftovers, boot files, the cache and the journal.
    mutating func examineSurroundings() {
        let leftovers = Finding.Fix.removeLeftovers
        for name in entries(lab.path) where name.hasPrefix(".") && name.hasSuffix(".new") {
            add(
                Finding(
                    "leftover", lab.path.appending(name), "an operation that was cut off left this", fix: leftovers))
        }
        examineTrash()
        examineLabCheckpoints()
        let isWhole = !findings.contains { Self.hidesConfigurations.contains($0.code) }
        examineBoot(isWhole)
        guard isWhole else { return }
        let machines = Set(configurations.map(\.configuration.machine))
        let checkpoints = Set(
            configurations.map(\.folder).flatMap { (try? $0.checkpointFiles()) ?? [] })
        for name in entries(lab.cache) {
            guard let id = GUID(String(name.drop { $0 == "." }.prefix(36))), !machines.contains(id),
                !checkpoints.contains(id)
            else { continue }
            add(
                Finding(
                    "cache-orphan", lab.cache.appending(name), "it was made for a machine that is gone", fix: .remove))
        }
        for name in entries(lab.journal) where name.hasSuffix(".deletion") {
            guard let id = GUID(String(name.dropLast(9))), !machines.contains(id) else { continue }
            add(
                Finding(
                    "journal-orphan", lab.journal.appending(name), "it is an operation on a machine that is gone",
                    fix: .remove))
        }
    }

    /// What keeps the engine from knowing all that the lab's configurations need.
    static let hidesConfigurations: Set<String> = [
        "machine-identity", "configuration-damaged", "configuration-foreign", "checkpoint-damaged", "trash-damaged",
        "trash-incomplete",
    ]

    private mutating func examineBoot(_ isWhole: Bool) {
        var needed: [String: FilePath] = [:]
        for (folder, configuration) in configurations {
            for file in [configuration.boot?.kernel, configuration.boot?.initrd].compactMap(\.self) {
                needed[file] = folder.path
            }
        }
        for (name, machine) in needed.sorted(by: { $0.key < $1.key }) where !FileSystem.exists(lab.boot.appending(name))
        {
            add(
                Finding(
                    "boot-missing", lab.boot.appending(name),
                    "the kernel or initial RAM disk is missing from which \(machine) starts",
                    remedy: "put the file with that SHA-256 back, or give the machine another one"))
        }
        for name in entries(lab.boot) where !name.hasPrefix(".") {
            let file = lab.boot.appending(name)
            if let digest = try? LabFolder.digest(of: file), digest.description != name {
                add(
                    Finding(
                        "boot-damaged", file, "expected the content with that SHA-256, found \(digest)",
                        remedy: "put the right file back; a restart after a restore would not be exact"))
            } else if isWhole, needed[name] == nil {
                add(Finding("boot-orphan", file, "no machine and no checkpoint starts from it", fix: .remove))
            }
        }
        for name in entries(lab.boot) where name.hasPrefix(".") && name.hasSuffix(".new") {
            add(
                Finding(
                    "leftover", lab.boot.appending(name), "an operation that was cut off left this",
                    fix: .removeLeftovers))
        }
    }

    /// Memory images, disks and configurations are private.
    mutating func examineMode(_ path: FilePath) {
        guard let status = FileSystem.status(of: path) else { return }
        let mode = status.st_mode & 0o777
        if status.st_mode & S_IFMT == S_IFLNK {
            add(
                Finding(
                    "link", path, "expected a file or folder of the lab's own, found a symbolic link",
                    remedy: "put in its place what it leads to; links are not followed"))
        } else if mode & 0o077 != 0 {
            add(
                Finding(
                    "shared", path,
                    "others can reach it: expected no mode for group and others, found "
                        + String(mode, radix: 8),
                    remedy: "chmod go= \(path)", fix: .makePrivate))
        }
    }

    /// The names in a folder; none where there is no folder.
    func entries(_ path: FilePath) -> [String] {
        FileSystem.exists(path) ? ((try? FileSystem.entries(of: path)) ?? []).sorted() : []
    }

    /// An error's sentence without the path with which it begins.
    static func rest(of error: EngineError, _ path: FilePath) -> String {
        let text = error.description
        return text.hasPrefix("\(path): ") ? String(text.dropFirst("\(path): ".count)) : text
    }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataEngine
public import FermataModel
public import FermataPlan
import Foundation
import Glibc
import Hashing
public import SystemPackage

extension Lab {
    /// Looks at all that a plan of a recipe depends on; changes nothing.
    ///
    /// A machine whose lock somebody holds counts as running.
    ///
    /// - Parameter recipeFolder: where the recipe's relative paths begin.
    public func inventory(for recipe: Recipe, in recipeFolder: FilePath) throws -> Inventory {
        var files: [String: Inventory.File] = [:]
        for path in recipe.inputFiles { files[path] = Self.look(at: path, in: recipeFolder) }
        var folders: [String: Inventory.Folder] = [:]
        for path in recipe.outputFolders { folders[path] = look(atFolderToMake: path, in: recipeFolder) }
        return Inventory(
            machines: try machines(neededBy: Set(recipe.machines.map(\.name) + recipe.forks)), files: files,
            folders: folders, freeSpace: freeSpace, labCheckpoints: labCheckpoints)
    }

    /// The lab's checkpoints of several machines; none where they cannot be read.
    private var labCheckpoints: [Inventory.LabCheckpoint] {
        guard let lab = try? LabFolder.open(folder.path), let record = try? LabRecord(reading: lab) else { return [] }
        return record.checkpoints.map { checkpoint in
            let left = checkpoint.members.filter { record.machine(of: $0, in: checkpoint) != nil }
            return Inventory.LabCheckpoint(name: checkpoint.name, parts: Set(left.map(\.checkpoint)))
        }
    }

    /// The lab's machines; what cannot be read is left out unless it is needed.
    private func machines(neededBy names: Set<MachineName>) throws -> [Inventory.Machine] {
        guard FileManager.default.fileExists(atPath: folder.storeFile.string) else { return [] }
        let lab = try LabFolder.open(folder.path)
        var machines: [Inventory.Machine] = []
        let existing = try lab.machines()
        let readers = try lab.readers(of: existing.filter { names.contains($0.name) })
        for machine in existing {
            do {
                let record = try MachineRecord(reading: machine)
                machines.append(
                    Inventory.Machine(
                        name: machine.name, id: record.id, state: machine.isInUse ? .running : record.stateAtRest,
                        owner: record.now.owner, tree: record.tree, allowsCheckpoints: record.now.allowsCheckpoints,
                        forks: Set((readers[machine] ?? []).filter { $0.discarded == nil }.map(\.name)),
                        discardedForks: Set((readers[machine] ?? []).filter { $0.discarded != nil }.map(\.name))))
            } catch {
                if names.contains(machine.name) { throw error }
            }
        }
        return machines
    }

    private static func look(at path: String, in folder: FilePath) -> Inventory.File {
        guard !path.isEmpty, !path.utf8.contains(0) else { return .missing }
        let path = folder.pushing(FilePath(path))
        var status = stat()
        guard unsafe path.withPlatformString({ unsafe stat($0, &status) }) == 0 else {
            return [ENOENT, ENOTDIR].contains(errno) ? .missing : .unreadable(reason(Errno(rawValue: errno)))
        }
        guard status.st_mode & S_IFMT == S_IFREG else { return .notAFile }
        do {
            let descriptor = try FileDescriptor.open(path, .readOnly, options: [.closeOnExec, .nonBlocking])
            defer { try? descriptor.close() }
            let (digest, size) = try digest(of: descriptor)
            return .file(digest: digest, size: ByteSize(bytes: size))
        } catch {
            return .unreadable((error as? Errno).map(reason) ?? "\(error)")
        }
    }

    private static func digest(of descriptor: FileDescriptor) throws -> (Digest, UInt64) {
        var hash = SHA256()
        var buffer = [UInt8](repeating: 0, count: 1 << 20)
        var size: UInt64 = 0
        while true {
            let count = try unsafe buffer.withUnsafeMutableBytes { try unsafe descriptor.read(into: $0) }
            guard count > 0 else { return (hash.finish(), size) }
            unsafe hash.update(buffer.span.bytes.extracting(0..<count))
            size += UInt64(count)
        }
    }

    static func reason(_ error: Errno) -> String {
        error.description.prefix(1).lowercased() + error.description.dropFirst()
    }

    /// The space that is free where the lab lies, or will lie.
    private var freeSpace: ByteSize? {
        var path = folder.path
        while true {
            var status = statvfs()
            if unsafe path.withPlatformString({ unsafe statvfs($0, &status) }) == 0 {
                let (bytes, overflow) = UInt64(status.f_bavail).multipliedReportingOverflow(by: UInt64(status.f_frsize))
                return overflow ? nil : ByteSize(bytes: bytes)
            }
            guard path.removeLastComponent() else { return nil }
        }
    }
}

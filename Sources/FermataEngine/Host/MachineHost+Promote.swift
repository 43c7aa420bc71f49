// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import FermataModel
import SystemPackage
import VirtualDisk

/// Making a fork independent:
/// ```
///   source:  base ◄─ X ◄─ fork: Y ◄─ …       X with all that it reads through is copied to one disk
///                               Z ◄─ Y ◄─ …  Y is told that this is its parent     ◄── the commit, disk by disk
/// ```
/// Every disk reads the same at every moment, so a promotion that was cut off is met by doing it again.
extension MachineHost {
    /// Copies what the machine's disks read from other machines, so that it needs none of theirs any more.
    ///
    /// - Throws: ``EngineError/Code/wrongState`` while the machine has power.
    public func promote() async throws {
        try await withoutMerging { host in try await host.promoteInTurn() }
    }

    private func promoteInTurn() async throws {
        try await exclusively("a promotion") { host in
            try host.requireLock()
            guard host.running == nil else {
                throw EngineError(
                    .wrongState,
                    "machine '\(host.folder.name)' is \(host.state), and its disks become its own only while it has no "
                        + "power; save it, or turn it off first")
            }
            do {
                try host.copyForeignParents()
            } catch {
                // What was copied and is nobody's parent yet would keep the space.
                try? Recovery(of: host.folder).removeUnneededDisks()
                throw error as? EngineError
                    ?? EngineError(.system, "machine '\(host.folder.name)': \(error)", underlying: error)
            }
            try UnownedDisks(of: host.folder).merge()
            host.record = try MachineRecord(reading: host.folder)
        }
    }

    private func copyForeignParents() throws {
        let root = folder.lab.path
        let place = folder.differencingDisks(of: record.id)
        var copies: [FilePath: FilePath] = [:]
        for (disk, parent) in try DiskReferences(of: folder.lab).foreignParents(in: folder) {
            var copy = copies[parent]
            if copy == nil {
                try FileSystem.create(place)
                let format = DiskFormat(path: parent) ?? .vhd
                // Where a disk that nothing needs is removed by the next writer.
                let file = place.appending("\(GUID.random()).a\(format)")
                _ = try DiskConversion.convert(
                    DiskFiles.open(parent, in: folder, .readOnly), to: file, format: format)
                try FileSystem.makePrivate(file)
                FaultPoint.parentCopied.reach()
                copy = file
                copies[parent] = file
            }
            guard let copy else { continue }
            _ = try DiskReparenting.setParent(
                of: disk, to: copy, beneath: root, ignoringIdentity: true, keepsBackup: false)
            FaultPoint.parentReplaced.reach()
        }
    }
}

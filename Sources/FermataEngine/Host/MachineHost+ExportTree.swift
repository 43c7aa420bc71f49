// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import FermataModel
import SystemPackage
import VirtualDisk

/// A whole machine in a folder: now, and its tree of checkpoints.
extension MachineHost {
    func fillWithTree(_ unfinished: FilePath, as place: FilePath, _ withMemory: Bool) throws {
        let machine = record.id
        let machines = unfinished.appending("Virtual Machines")
        let (snapshots, boot) = (unfinished.appending("Snapshots"), unfinished.appending("Boot"))
        let disks = snapshots.appending("\(machine)")
        for folder in [disks, machines.appending("\(machine)"), boot] { try FileSystem.create(folder) }
        var copies: [FilePath: FilePath] = [:]
        var bootFiles: Set<String> = []

        /// Copies what a configuration needs, and tells what it is in the folder.
        func copied(_ configuration: Configuration) throws -> Configuration {
            var copy = configuration
            copy.owner = nil
            for (index, layers) in try DiskFiles.layers(of: configuration, in: folder).enumerated() {
                copy.disks[index].path = place.pushing(try self.copy(layers, to: unfinished, &copies)).string
            }
            bootFiles.formUnion([configuration.boot?.kernel, configuration.boot?.initrd].compactMap(\.self))
            return copy
        }
        /// Copies a memory, all of it checked.
        func copyMemory(_ source: MemorySource, _ configuration: Configuration, to target: MemoryFiles) throws {
            let state = try SavedState(reading: source.files.devices)
            try check(state, of: source, configuration)
            try memoryImage(of: source, state, configuration).check()
            try FileSystem.create(target.folder)
            try DiskFileCopy.copy(source.files.image, to: target.image)
            try FileSystem.write(state.encoded(), to: target.devices)
            try FileSystem.synchronize(target.folder)
        }

        for (id, configuration) in record.checkpoints.sorted(by: { $0.key < $1.key }) {
            var checkpoint = try copied(configuration)
            let target = MemoryFiles(in: snapshots.appending("\(id)"), named: id)
            if withMemory, configuration.checkpoint?.hasMemory == true {
                try copyMemory(record.memory(of: id, configuration), configuration, to: target)
            } else {
                try FileSystem.create(target.folder)
                checkpoint.checkpoint?.state = .off
                checkpoint.checkpoint?.moment = nil
            }
            checkpoint.checkpoint?.supersedes = nil
            checkpoint.checkpoint?.labCheckpoint = nil
            try FileSystem.commit(checkpoint.file(), to: snapshots.appending("\(id).xml"))
        }
        var now = try copied(record.now)
        if !withMemory { now.saved = nil }
        if let saved = now.saved, case .own = saved {
            try copyMemory(
                record.memory(of: saved), record.now,
                to: MemoryFiles(in: machines.appending("\(machine)"), named: machine))
        }
        for digest in bootFiles {
            try DiskFileCopy.copy(folder.lab.boot.appending(digest), to: boot.appending(digest))
        }
        try FileSystem.commit(now.file(), to: machines.appending("\(machine).xml"))
        for folder in [disks, machines, boot, snapshots, unfinished] { try FileSystem.synchronize(folder) }
    }
}

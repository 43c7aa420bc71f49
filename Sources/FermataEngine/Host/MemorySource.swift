// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import SystemPackage

/// The files of one held memory: the `.bin` and the `.vsv`, in a folder of their own.
struct MemoryFiles: Hashable, Sendable {
    let folder: FilePath
    let image: FilePath
    let devices: FilePath

    /// The files that are named by an identity.
    init(in folder: FilePath, named id: GUID) {
        self.init(folder: folder, image: folder.appending("\(id).bin"), devices: folder.appending("\(id).vsv"))
    }

    init(folder: FilePath, image: FilePath, devices: FilePath) {
        self.folder = folder
        self.image = image
        self.devices = devices
    }

    /// Removes the files; others that lie beside them stay.
    func remove() throws(EngineError) {
        for file in [image, devices] { try FileSystem.remove(file) }
    }

    /// Gives the files second names, durably; no byte is copied.
    func link(to other: MemoryFiles) throws(EngineError) {
        try FileSystem.create(other.folder)
        try other.remove()
        try FileSystem.link(image, as: other.image)
        try FileSystem.link(devices, as: other.devices)
        try FileSystem.synchronize(other.folder)
        try FileSystem.synchronize(other.folder.removingLastComponent())
    }
}

extension MachineFolder {
    /// The memory of a checkpoint.
    func memory(ofCheckpoint id: GUID) -> MemoryFiles {
        MemoryFiles(folder: memoryFolder(id), image: memoryImage(id), devices: deviceState(id))
    }

    /// The memory of the saved machine.
    func savedMemory(of id: GUID) -> MemoryFiles {
        MemoryFiles(in: savedFolder(of: id), named: id)
    }
}

/// Where the memory comes from that a process is to take.
struct MemorySource: Sendable {
    /// Whose it is: the checkpoint's, or the machine's own; its flat image is cached under this identity.
    let id: GUID
    /// The checkpoint in whose folder it lies, if it is one.
    let checkpoint: GUID?
    /// The moment at which it was held, as the `.vsv` must say.
    let moment: GUID
    let files: MemoryFiles
    /// What a message calls it.
    let name: String
}

extension MachineRecord {
    /// The memory of a checkpoint that has some.
    func memory(of checkpoint: GUID, _ configuration: Configuration) -> MemorySource {
        MemorySource(
            id: checkpoint, checkpoint: checkpoint, moment: configuration.checkpoint?.moment ?? checkpoint,
            files: folder.memory(ofCheckpoint: checkpoint), name: "checkpoint \(checkpoint)")
    }

    /// The memory of the saved machine.
    func memory(of saved: Configuration.SavedMemory) throws(EngineError) -> MemorySource {
        switch saved {
        case .own(let moment):
            return MemorySource(
                id: id, checkpoint: nil, moment: moment, files: folder.savedMemory(of: id), name: "the saved state")
        case .checkpoint(let checkpoint):
            guard let configuration = checkpoints[checkpoint] else {
                throw EngineError(
                    .damaged,
                    "\(folder.configuration(of: id)): fermata/saved/checkpoint: expected a checkpoint of machine "
                        + "'\(folder.name)', found \(checkpoint); turn the machine off to discard its memory")
            }
            return memory(of: checkpoint, configuration)
        }
    }
}

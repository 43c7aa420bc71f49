// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import Hashing
import SystemPackage
import VirtualDisk

/// Whether a held memory belongs to who is to take it.
extension MachineRecord {
    /// The image of a memory, its header checked.
    func memoryImage(
        of source: MemorySource, _ state: SavedState, _ target: Configuration
    ) throws(EngineError) -> MemoryImage {
        let image = try MemoryImage(reading: source.files.image)
        guard image.memory == Int(target.memory) else {
            throw EngineError(
                .incompatible,
                "\(image.path): expected a memory of \(target.memory) bytes, found \(image.memory)")
        }
        guard image.digest.description == state.description.memoryDigest else {
            throw EngineError(
                .damaged,
                "\(image.path): expected the memory with digest \(state.description.memoryDigest), found "
                    + "\(image.digest); the two files of \(source.name) do not belong together")
        }
        return image
    }

    /// Compares a state with the configuration that is to take it.
    ///
    /// A disk may have grown from the one that the state knows: a checkpoint of a saved machine has the memory of then.
    func check(
        _ state: SavedState, of source: MemorySource, _ target: Configuration
    ) throws(EngineError) {
        func differs(_ what: String, _ expected: String, _ found: String) throws(EngineError) {
            guard expected != found else { return }
            throw EngineError(
                .incompatible,
                "\(source.files.devices): \(what): expected \(expected), found \(found); this memory belongs to "
                    + "another moment")
        }
        try differs("machine", id.description, state.description.machine.description)
        try differs("checkpoint", source.moment.description, state.description.checkpoint.description)
        let disks = zip(target.disks, try DiskFiles.layers(of: target, in: folder)).map { disk, layers in
            layers.map { SavedState.identity(of: Configuration.Disk(name: disk.name, path: $0.path.string)) }
        }
        let found = state.description.disks
        if disks.count != found.count || !zip(disks, found).allSatisfy({ $0.contains($1) }) {
            try differs(
                "disks", disks.compactMap(\.first).joined(separator: ", "), found.joined(separator: ", "))
        }
        try differs("memory", "\(target.memory) bytes", "\(state.description.traits.memory) bytes")
        try differs("processors", "\(target.processors)", "\(state.description.traits.processors)")
    }
}

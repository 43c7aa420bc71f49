// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

public import FermataModel
import Logging

extension MachineHost {
    /// Forgets checkpoints; every other one and now stay exactly as they were.
    ///
    /// Each is gone once its own file is. Disks that nothing needs any more go with them.
    public func delete(_ checkpoints: [GUID]) async throws {
        try await exclusively("deleting checkpoints") { host in
            try host.requireLock()
            for id in checkpoints where host.record.checkpoints[id] == nil {
                throw EngineError(.notFound, "machine '\(host.folder.name)' has no checkpoint \(id)")
            }
            try host.remove(checkpoints)
        }
    }

    func remove(_ checkpoints: [GUID]) throws {
        try takeOverMemory(of: checkpoints)
        let forgotten = checkpoints.compactMap { record.checkpoints[$0] }
        for id in checkpoints {
            try FileSystem.remove(folder.checkpoint(id))
            try FileSystem.synchronize(folder.snapshots)
            record = record.removed(id)
            checkedImages[id] = nil
            FaultPoint.checkpointRemoved.reach()
        }
        let bases = basesKnownNoMore(of: forgotten)
        do throws(EngineError) {
            for id in checkpoints { try folder.removeCheckpoint(id) }
            try Recovery(of: folder).removeUnneededDisks()
            removeMade(bases)
        } catch {
            // The checkpoints are gone; what they leave is removed at the next open.
            Logger(label: "fermata.engine").warning("machine '\(folder.name)': leftovers stay: \(error)")
        }
    }
}

extension MachineFolder {
    /// Removes what a checkpoint's files are; other files that lie beside them stay.
    func removeCheckpoint(_ id: GUID) throws(EngineError) {
        // The configuration goes first: without it, the memory is nobody's.
        for file in [checkpoint(id), memoryImage(id), deviceState(id)] { try FileSystem.remove(file) }
        try FlatImage.remove(of: id, in: lab)
        try FileSystem.removeIfEmpty(memoryFolder(id))
    }
}

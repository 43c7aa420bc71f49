// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

public import FermataModel

extension MachineHost {
    /// Forgets checkpoints; every other one and now stay exactly as they were.
    ///
    /// Each is gone once its own file is. Disks that nothing needs any more go with them.
    public func delete(_ checkpoints: [GUID]) async throws {
        try await exclusively { host in
            for id in checkpoints where host.record.checkpoints[id] == nil {
                throw EngineError(.notFound, "machine '\(host.folder.name)' has no checkpoint \(id)")
            }
            try host.remove(checkpoints)
        }
    }

    func remove(_ checkpoints: [GUID]) throws {
        for id in checkpoints {
            try FileSystem.remove(folder.checkpoint(id))
            try FileSystem.synchronize(folder.snapshots)
            record = record.removed(id)
            FaultPoint.checkpointRemoved.reach()
            try FileSystem.removeAll(folder.memoryFolder(id))
            try FileSystem.remove(folder.flatImage(id))
            checkedImages[id] = nil
        }
        try Recovery(of: folder).removeUnneededDisks()
    }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

public import FermataModel
import Logging

extension MachineHost {
    /// Forgets checkpoints, all at one moment; every other one and now stay exactly as they were.
    ///
    /// Memory goes with them, and so do disks that nothing needs any more. A disk that others still read through is
    /// merged with the one that grew from it, once there is just one: at once, or beside the running machine, which
    /// ``mergeDisks(rate:)`` waits for.
    ///
    /// In a lab with a trash they can come back until it is emptied, and all of that happens only then.
    ///
    /// - Parameter isTrashing: false when they are not to go to the trash.
    public func delete(_ checkpoints: [GUID], toTrash isTrashing: Bool = true) async throws {
        try await withoutMerging { host in
            try await host.exclusively("deleting checkpoints") { host in
                try host.requireLock()
                for id in checkpoints where host.record.checkpoints[id] == nil {
                    throw EngineError(.notFound, "machine '\(host.folder.name)' has no checkpoint \(id)")
                }
                try host.remove(Set(checkpoints), toTrash: host.trashBudget(isTrashing))
            }
        }
    }

    /// Gives a checkpoint another name or other notes; what is nil stays as it is, and empty notes are none.
    public func change(_ checkpoint: GUID, name: CheckpointName?, notes: String?) async throws {
        try await exclusively("changing a checkpoint") { host in
            try host.requireLock()
            try host.changed(checkpoint, name: name, notes: notes)
        }
    }

    private func changed(_ id: GUID, name: CheckpointName?, notes: String?) throws(EngineError) {
        guard var configuration = record.checkpoints[id] else {
            throw EngineError(.notFound, "machine '\(folder.name)' has no checkpoint \(id)")
        }
        if let name {
            try requireFree(name, for: id)
            configuration.name = name.description
            let isMember = configuration.checkpoint?.labCheckpoint != nil
            configuration.checkpoint?.hasOwnName = isMember
        }
        if let notes { configuration.notes = notes.isEmpty ? nil : notes }
        guard configuration.name != record.checkpoints[id]?.name || configuration.notes != record.checkpoints[id]?.notes
        else { return }
        let file = folder.checkpoint(id)
        do throws(EngineError) {
            try FileSystem.commit(configuration.file(), to: file)
        } catch {
            // The rename may have happened, though not durably for sure: the file says which.
            if let found = try? Configuration(reading: file) { record = record.committed(id, found) }
            throw error
        }
        record = record.committed(id, configuration)
    }

    /// Refuses a name that no checkpoint can have, or that another one has.
    func requireFree(_ name: CheckpointName, for id: GUID) throws(EngineError) {
        if let problem = name.problem {
            throw EngineError(.wrongState, "the checkpoint name '\(name)' \(problem)")
        }
        guard !record.tree.listed.checkpoints.contains(where: { $0.name == name && $0.id != id }) else {
            throw EngineError(
                .exists, "machine '\(folder.name)' has a checkpoint '\(name)' already; choose another name")
        }
    }

    /// Forgets checkpoints.
    ///
    /// - Parameter budget: what the trash may hold, to which they go; nil when they are gone for good.
    func remove(_ checkpoints: Set<GUID>, toTrash budget: TrashBudget?) throws(EngineError) {
        guard !checkpoints.isEmpty else { return }
        try takeOverMemory(of: checkpoints)
        var isMarked = false
        if budget == nil { isMarked = try markBases(of: checkpoints) }
        defer { if isMarked { settleMarks() } }
        try forget(checkpoints, toTrash: budget != nil)
        clear(checkpoints, toTrash: budget)
    }

    /// Marks the disks that nothing knows any more once checkpoints are gone; ``settleMarks()`` then takes them away.
    ///
    /// - Returns: whether there are any.
    func markBases(of checkpoints: Set<GUID>) throws(EngineError) -> Bool {
        let forgotten = checkpoints.compactMap { record.checkpoints[$0] }
        return try mark(basesKnownNoMore(of: forgotten, in: record.removed(checkpoints)))
    }

    /// Removes what checkpoints that stopped existing leave behind, unless they are in the trash.
    func clear(_ checkpoints: Set<GUID>, toTrash budget: TrashBudget? = nil) {
        record = record.removed(checkpoints)
        for id in checkpoints { checkedImages[id] = nil }
        do throws(EngineError) {
            try Deletion.finish(in: folder, of: record.id)
            guard let budget else {
                for id in checkpoints { try folder.removeCheckpoint(id) }
                return try reclaim()
            }
            // An image can be made again; the checkpoint's memory and disks stay.
            for id in checkpoints { try FlatImage.remove(of: id, in: folder.lab) }
            keep(to: budget)
        } catch {
            // The checkpoints are gone; what they leave is removed at the next open.
            // A disk may have been merged all the same, and now be in another file.
            if let found = try? MachineRecord(reading: folder) { record = found }
            Logger(label: "fermata.engine").warning("machine '\(folder.name)': leftovers stay: \(error)")
        }
    }

    /// Removes the disks that nothing needs any more, and merges those that nothing owns, or lets them be merged.
    func reclaim() throws(EngineError) {
        try Recovery(of: folder).removeUnneededDisks()
        isMergeWanted = running != nil
        if running == nil {
            try UnownedDisks(of: folder).merge()
            record = try MachineRecord(reading: folder)
        }
    }

    /// The commit: the file of one checkpoint goes, or the deletion of several is entered in the journal.
    private func forget(_ checkpoints: Set<GUID>, toTrash isTrashing: Bool) throws(EngineError) {
        do throws(EngineError) {
            guard let only = checkpoints.first, checkpoints.count == 1 else {
                return try Deletion(of: checkpoints, toTrash: isTrashing).commit(of: record.id, in: folder.lab)
            }
            guard !isTrashing else { return try folder.moveToTrash(only, of: record.id) }
            try FileSystem.remove(folder.checkpoint(only))
            FaultPoint.checkpointRemoved.reach()
            try FileSystem.synchronize(folder.snapshots)
        } catch {
            // They may be gone for every reader, though not durably for sure: the files say it.
            if let found = try? MachineRecord(reading: folder) { record = found }
            throw error
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

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

public import FermataModel
import Foundation
import Logging
import SystemPackage
import VirtualDisk

/// What was taken out of the trash.
public struct TrashOutcome: Hashable, Sendable {
    /// How many things went.
    public var count: Int
    /// The bytes that came free by then; what is still merged beside the running machine is not among them.
    public var bytes: UInt64

    /// Makes an outcome.
    public init(count: Int, bytes: UInt64) {
        self.count = count
        self.bytes = bytes
    }
}

extension MachineHost {
    /// Brings back what is in the trash: a checkpoint, or a discarded now as a checkpoint.
    ///
    /// It hangs where it hung, and what grew from it hangs from it again.
    ///
    /// - Parameter name: the name that it gets; nil for the one that it had.
    /// - Throws: ``EngineError/Code/exists`` when a checkpoint has that name; nothing is changed then.
    public func restoreFromTrash(_ id: GUID, as name: CheckpointName?) async throws {
        try await withoutMerging { host in
            try await host.exclusively("restoring from the trash") { host in
                try host.requireLock()
                try host.untrash(id, as: name)
            }
        }
    }

    private func untrash(_ id: GUID, as name: CheckpointName?) throws(EngineError) {
        try Deletion.finish(in: folder, of: record.id)
        guard let entry = try MachineTrash(uncounted: record).entries.first(where: { $0.id == id }) else {
            throw EngineError(.notFound, "there is no \(id) of machine '\(folder.name)' in the trash")
        }
        let name = name ?? entry.name
        if let problem = name.problem {
            throw EngineError(.wrongState, "the checkpoint name '\(name)' \(problem)")
        }
        guard !record.tree.listed.checkpoints.contains(where: { $0.name == name }) else {
            throw EngineError(
                .exists,
                "machine '\(folder.name)' has a checkpoint '\(name)' already; say under which name this one is to come back"
            )
        }
        // A now may have been discarded by a host that was killed; from here on its disks are a checkpoint's.
        try DiskFiles.settle(entry.configuration, in: folder)
        let (trashed, file) = (folder.lab.trashed(id, of: record.id), folder.checkpoint(id))
        var configuration = entry.configuration
        configuration.name = name.description
        // A part of a lab's checkpoint that is gone comes back as one of its own.
        if let set = configuration.checkpoint?.labCheckpoint, !FileSystem.exists(folder.lab.labCheckpoint(set)) {
            configuration.checkpoint?.labCheckpoint = nil
        }
        do throws(EngineError) {
            if configuration == entry.configuration {
                FaultPoint.untrashCommit.before()
                try FileSystem.move(trashed, to: file)
                FaultPoint.untrashCommit.after()
            } else {
                // As long as both are there, the checkpoint exists, and is not in the trash.
                try FileSystem.commit(configuration.file(), to: file, fault: .untrashCommit)
                try? FileSystem.remove(trashed)
            }
        } catch {
            // The rename may have happened, though not durably for sure: the file says which.
            if let found = try? MachineRecord(reading: folder) { record = found }
            throw error
        }
        record = record.committed(id, configuration)
    }

    /// Takes out of the trash what was discarded of the machine, the oldest first; everything when there is no limit.
    ///
    /// Each thing goes at a moment of its own. What its disks leave is merged as after a delete without a trash.
    ///
    /// - Parameters:
    ///   - age: the most seconds for which something stays; nil for any time.
    ///   - bytes: the most bytes that stay; nil for any number.
    public func emptyTrash(olderThan age: Int?, keeping bytes: UInt64?) async throws -> TrashOutcome {
        try await withoutMerging { host in
            try await host.exclusively("emptying the trash") { host in
                try host.requireLock()
                try Deletion.finish(in: host.folder, of: host.record.id)
                let trash = try MachineTrash(of: host.record)
                let before = FileSystem.allocated(host.folder.path)
                var ids = trash.excess(age: age, bytes: bytes, now: Self.milliseconds).map(\.id)
                if age == nil, bytes == nil {
                    ids += trash.unreadable.compactMap { $0.stem.flatMap { GUID($0) } }
                }
                try host.forgetTrashed(ids)
                let after = FileSystem.allocated(host.folder.path)
                return TrashOutcome(count: ids.count, bytes: before > after ? before - after : 0)
            }
        }
    }

    private static var milliseconds: Int64 { Int64(Date().timeIntervalSince1970 * 1000) }

    /// What the trash may hold; nil when nothing goes there.
    ///
    /// - Parameter isWanted: whether the operation is one that discards to it.
    func trashBudget(_ isWanted: Bool) throws(EngineError) -> TrashBudget? {
        isWanted ? try folder.lab.trashBudget() : nil
    }

    /// Takes out of the trash what is too much; what cannot go now goes with the next.
    func keep(to budget: TrashBudget) {
        do throws(EngineError) {
            let trash = try MachineTrash(of: record)
            let many = trash.entries.prefix(max(0, trash.entries.count - TrashBudget.mostEntries))
            let old = trash.excess(age: budget.age, bytes: budget.bytes, now: Self.milliseconds)
            try forgetTrashed((old.count > many.count ? old : Array(many)).map(\.id))
        } catch {
            Logger(label: "fermata.engine").warning("machine '\(folder.name)': the trash stays as it is: \(error)")
        }
    }

    /// Forgets what is in the trash, one after the other, and then what only that needed.
    private func forgetTrashed(_ ids: [GUID]) throws(EngineError) {
        guard !ids.isEmpty else { return }
        let trash = try MachineTrash(uncounted: record)
        let forgotten = ids.compactMap { trash.configurations[$0] }
        let isMarked = try mark(basesKnownNoMore(of: forgotten, in: record))
        defer { if isMarked { settleMarks() } }
        for id in ids {
            try FileSystem.remove(folder.lab.trashed(id, of: record.id))
            FaultPoint.trashRemoved.reach()
        }
        try FileSystem.synchronize(folder.lab.trash(of: record.id))
        do throws(EngineError) {
            for id in ids where record.checkpoints[id] == nil { try folder.removeMemory(id) }
            try reclaim()
        } catch {
            // They are gone; what they leave is removed at the next open.
            Logger(label: "fermata.engine").warning("machine '\(folder.name)': leftovers stay: \(error)")
        }
    }

    // MARK: A discarded now

    /// Enters now into the trash, before a restore discards it.
    ///
    /// - Returns: its identity there.
    func enterNow() throws(EngineError) -> GUID {
        let id = GUID.random()
        var now = record.now
        now.created = Self.milliseconds
        now.name = "now \(Date(timeIntervalSince1970: Double(now.created / 1000)).formatted(.iso8601))"
        now.notes = nil
        now.owner = nil
        now.saved = nil
        now.checkpoint = Configuration.Checkpoint(kind: .diskOnly, state: .off)
        try FileSystem.create(folder.lab.trash(of: record.id))
        try FileSystem.commit(now.file(), to: folder.lab.trashed(id, of: record.id))
        FaultPoint.nowKept.reach()
        return id
    }

    /// Removes the entries of nows that are still the machine's.
    func removeVoidEntries() {
        for file in (try? MachineTrash(uncounted: record))?.void ?? [] { try? FileSystem.remove(file) }
    }

    /// Completes the entry of a now that was discarded.
    ///
    /// - Parameter chains: the disks that a process had open for it.
    /// - Returns: whether the now stays; one in which nothing was changed does not.
    func completeEntry(_ id: GUID, chains: [DiskChain]) -> Bool {
        let file = folder.lab.trashed(id, of: record.id)
        // What the guest wrote and did not flush is there, too.
        for chain in chains { try? chain.close() }
        guard let now = try? Configuration(reading: file), let isChanged = try? isChanged(now), !isChanged else {
            return true
        }
        return (try? FileSystem.remove(file)) == nil
    }

    /// Whether a disk of a now has anything that the checkpoint from which it grew does not.
    func isChanged(_ now: Configuration) throws -> Bool {
        let trash = try MachineTrash(uncounted: record)
        let entries = trash.entries.filter { $0.configuration.disks != now.disks }.map(\.configuration)
        let held = Set((record.checkpoints.values + entries).flatMap { $0.disks.compactMap(\.fileName) })
        for chain in try DiskFiles.chains(of: now, in: folder) {
            let sealed = chain.layers.firstIndex { held.contains($0.path.lastComponent?.string ?? "") }
            for extent in try chain.map() {
                // What was never written has the base's depth.
                if let sealed { if extent.depth < sealed { return true } } else if extent.isData { return true }
            }
        }
        return false
    }
}

extension MachineFolder {
    /// Removes the memory of what was a checkpoint; other files that lie beside it stay.
    func removeMemory(_ id: GUID) throws(EngineError) {
        for file in [memoryImage(id), deviceState(id)] { try FileSystem.remove(file) }
        try FlatImage.remove(of: id, in: lab)
        try FileSystem.removeIfEmpty(memoryFolder(id))
    }
}

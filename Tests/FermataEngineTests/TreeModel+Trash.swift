// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import StorageTestSupport
import Testing

@testable import FermataEngine

/// What the model knows of the trash.
extension TreeModel {
    /// A budget that takes nothing by itself.
    static let largeBudget = TrashBudget(age: 1 << 30, bytes: 1 << 40)

    /// Takes note of the now that a restore has discarded: it is in the trash, or it was as the checkpoint it grew from.
    func noteDiscarded(_ moment: Moment, _ ancestors: [GUID]) throws {
        guard let known = trashed else { return }
        let trash = try MachineTrash(of: MachineRecord(reading: host.folder))
        let new = trash.entries.filter { known[$0.id] == nil }
        try #require(new.count <= 1)
        guard let entry = new.first else {
            let parent = ancestors.first.flatMap { nodes[$0] ?? known[$0] }
            #expect(parent.map { $0.moment.disks == moment.disks } ?? true, "a changed now is not in the trash")
            return
        }
        trashed?[entry.id] = Node(
            name: entry.name.description, notes: nil, moment: Moment(disks: moment.disks, word: nil, state: .off),
            ancestors: ancestors)
    }

    /// Does something with the trash, or anything else.
    func actWithTrash(atMost limit: Int) async throws -> String {
        let ids = (trashed ?? [:]).keys.sorted()
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<15 where !ids.isEmpty && nodes.count < limit: return try await untrash(random.pick(ids, or: .random()))
        case 15..<22 where !ids.isEmpty:
            return try await collect(keeping: Int.random(in: 0..<ids.count, using: &random))
        default: return try await act(atMost: limit)
        }
    }

    /// Restores something from the trash.
    func untrash(_ id: GUID) async throws -> String {
        guard var node = trashed?[id] else { return "nothing: \(id) is gone" }
        let isTaken = nodes.values.contains { $0.name == node.name }
        if isTaken {
            await #expect(throws: EngineError.self) { try await self.host.restoreFromTrash(id, as: nil) }
        }
        if isTaken || random.chance(30) { node.name = "t\(random.next())" }
        let isNew = node.name != trashed?[id]?.name
        try await host.restoreFromTrash(id, as: isNew ? CheckpointName(node.name) : nil)
        nodes[id] = node
        trashed?[id] = nil
        return "untrash \(id)"
    }

    /// Takes the oldest out of the trash.
    ///
    /// - Parameter count: how many stay.
    func collect(keeping count: Int) async throws -> String {
        let entries = try MachineTrash(of: MachineRecord(reading: host.folder)).entries
        // Those of one moment, and those that take nothing, go together.
        let bytes = entries.suffix(count).reduce(0) { $0 + $1.bytes }
        let gone = try MachineTrash(of: MachineRecord(reading: host.folder)).excess(age: nil, bytes: bytes, now: .max)
        let outcome = try await host.emptyTrash(olderThan: nil, keeping: bytes)
        #expect(outcome.count == gone.count)
        for entry in gone { trashed?[entry.id] = nil }
        return "collect \(gone.count)"
    }

    /// Compares what is in the trash with what is known.
    func checkTrash(_ record: MachineRecord, _ comment: String, sample: Int?) throws {
        guard let trashed else { return }
        let trash = try MachineTrash(of: record)
        #expect(Set(trash.entries.map(\.id)) == Set(trashed.keys), "\(comment): the trash")
        #expect(trash.unreadable.isEmpty && trash.void.isEmpty, "\(comment)")
        var entries = trash.entries
        if let sample { entries = Array(entries.shuffled(using: &random).prefix(sample)) }
        for entry in entries {
            guard let node = trashed[entry.id] else { continue }
            #expect(entry.name.description == node.name, "\(comment)")
            #expect(entry.configuration.checkpoint?.hasMemory == (node.moment.word != nil), "\(comment)")
            if node.moment.word != nil {
                let memory = record.memory(of: entry.id, entry.configuration)
                #expect((try? MemoryImage(reading: memory.files.image).check()) != nil, "\(comment): \(entry.id)")
                #expect((try? SavedState(reading: memory.files.devices)) != nil, "\(comment): \(entry.id)")
            }
            try expect(entry.configuration, node.moment, "\(comment), in the trash \(entry.id)", record)
        }
    }
}

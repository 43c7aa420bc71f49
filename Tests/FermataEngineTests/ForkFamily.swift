// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import Foundation
import StorageTestSupport
import SystemPackage
import Testing

@testable import FermataEngine

/// Machines that were forked from each other, and beside them all that each and its checkpoints must hold.
final class ForkFamily {
    /// What a moment holds.
    struct Moment: Equatable {
        var disks: [Data]
        /// The guest's variable; nil without memory.
        var word: String?
    }

    struct Member: Equatable {
        var now: Moment
        var checkpoints: [GUID: Moment] = [:]
    }

    let lab: ForkLab
    private(set) var members: [MachineName: Member]
    private var random: SeededGenerator
    private var named = 0

    init(seed: UInt64) throws {
        lab = try ForkLab(seed: seed)
        random = SeededGenerator(seed: seed)
        members = ["web": Member(now: Moment(disks: try lab.disks(of: "web")))]
    }

    private func pick() -> MachineName { random.pick(members.keys.sorted(), or: "web") }

    private func newName() -> MachineName {
        named += 1
        return MachineName("m\(named)")
    }

    private func checkpoint(of name: MachineName) -> GUID? {
        let ids = (members[name]?.checkpoints ?? [:]).keys.sorted()
        return ids.isEmpty ? nil : random.pick(ids, or: ids[0])
    }

    /// Does something at random.
    ///
    /// - Returns: what it was.
    func act() async throws -> String {
        let name = pick()
        let id = checkpoint(of: name)
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<20: return try await write(name)
        case 20..<38: return try await hold(name)
        case 38..<48:
            guard let id else { return "nothing" }
            try await lab.with(name) { _ = try await $0.apply(id, ending: self.ending(name, id)) }
            let moment = members[name]?.checkpoints[id]
            members[name]?.now = moment ?? Moment(disks: [])
            return "apply \(name) \(id)"
        case 48..<62:
            guard let id else { return "nothing" }
            try await lab.with(name) { try await $0.delete([id]) }
            members[name]?.checkpoints[id] = nil
            return "delete \(name) \(id)"
        case 62..<80:
            guard let id, members.count < 6 else { return "nothing" }
            return try await fork(name, id)
        case 80..<86:
            try await lab.with(name) { try await $0.promote() }
            let others = members.keys.filter { $0 != name }
            #expect(try !others.contains { try lab.reads(name, through: $0) })
            return "promote \(name)"
        case 86..<91:
            let new = newName()
            try lab.lab.renameMachine(name, to: new)
            members[new] = members.removeValue(forKey: name)
            return "rename \(name) to \(new)"
        case 91..<96: return try remove(name)
        default: return try await power(name)
        }
    }

    /// Saved checkpoints are applied as such; no machine runs when nobody hosts it.
    private func ending(_ name: MachineName, _ id: GUID) -> RestoreEnding {
        members[name]?.checkpoints[id]?.word == nil ? .off : .asCheckpoint
    }

    private func write(_ name: MachineName) async throws -> String {
        guard members[name]?.now.word == nil else { return "nothing: saved" }
        try await lab.with(name) { try await self.lab.change($0) }
        // What was written is known by who wrote it alone; all else is compared.
        members[name]?.now.disks = try lab.disks(of: name)
        return "write \(name)"
    }

    private func hold(_ name: MachineName) async throws -> String {
        let text = "c\(random.next())"
        let id = try await lab.with(name) { try await self.lab.hold($0, CheckpointName(text)) }
        let now = members[name]?.now
        members[name]?.checkpoints[id] = now
        return "checkpoint \(name) \(id)"
    }

    private func fork(_ name: MachineName, _ id: GUID) async throws -> String {
        let new = newName()
        let hasMemory = random.chance(70)
        try await lab.with(name) { _ = try await $0.fork(id, as: new, withMemory: hasMemory) }
        var moment = members[name]?.checkpoints[id] ?? Moment(disks: [])
        if !hasMemory { moment.word = nil }
        members[new] = Member(now: moment)
        return "fork \(name) \(id) as \(new), memory \(hasMemory)"
    }

    private func remove(_ name: MachineName) throws -> String {
        guard members.count > 1 else { return "nothing" }
        let others = members.keys.filter { $0 != name }
        let isNeeded = try others.contains { try lab.reads($0, through: name) }
        do throws(EngineError) {
            try lab.lab.deleteMachine(name)
            #expect(!isNeeded)
            members[name] = nil
            return "delete \(name)"
        } catch {
            #expect(isNeeded && error.code == .wrongState, "\(error)")
            return "not deleted \(name)"
        }
    }

    /// Off becomes saved with a new word, saved becomes off, or is saved anew with a write.
    private func power(_ name: MachineName) async throws -> String {
        let word = "w\(random.next())"
        let before = members[name]?.now.word
        try await lab.with(name) { host in
            try await host.start()
            if let before { #expect(try await host.output("get word") == before) }
            _ = try await host.output("set word \(word);write 0:512 \(word)")
            if before == nil || self.random.chance(50) {
                try await host.save()
                self.members[name]?.now.word = word
            } else {
                try await host.turnOff()
                self.members[name]?.now.word = nil
            }
        }
        members[name]?.now.disks = try lab.disks(of: name)
        return "power \(name)"
    }

    /// Compares everything that the files tell with what is known.
    func check(_ comment: String) async throws {
        #expect(Set(try lab.lab.machines().map(\.name)) == Set(members.keys), "\(comment)")
        for (name, member) in members {
            let record = try MachineRecord(reading: lab.lab.machine(name))
            #expect(Set(record.checkpoints.keys) == Set(member.checkpoints.keys), "\(comment): \(name)")
            #expect((record.now.saved != nil) == (member.now.word != nil), "\(comment): \(name)")
            #expect(try lab.disks(of: name) == member.now.disks, "\(comment): \(name)")
            for (id, configuration) in record.checkpoints {
                #expect(
                    try lab.disks(configuration, of: name) == member.checkpoints[id]?.disks, "\(comment): \(name) \(id)"
                )
            }
        }
    }

    /// Lets every memory prove itself, and 7-Zip read every machine.
    func checkAll(_ comment: String) async throws {
        for (name, member) in members {
            if let disk = member.now.disks.first {
                try await lab.expectOutside(name, reads: disk, "\(comment): \(name)")
            }
            let held = member.checkpoints.filter { $0.value.word != nil }.sorted { $0.key < $1.key }
            try await lab.with(name) { host in
                if let word = member.now.word {
                    try await host.start()
                    #expect(try await host.output("get word") == word, "\(comment): \(name)")
                }
                for (id, moment) in held {
                    _ = try await host.apply(id)
                    try await host.start()
                    #expect(try await host.output("get word") == moment.word, "\(comment): \(name) \(id)")
                }
            }
        }
    }
}

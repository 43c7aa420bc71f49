// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import FermataTestSupport
import Foundation
import Synchronization
import SystemPackage
import Testing

@testable import FermataEngine

/// Checkpoints of several machines: all have one, or none has.
struct LabCheckpointTests {
    @Test(arguments: [HostSettings.RestoreWay.inPlace, .freshProcess])
    func `machines that count together are held at one moment, and restored to it`(
        way: HostSettings.RestoreWay
    ) async throws {
        let two = try await TwoMachines(way)
        try await two.start()
        let stop = Mutex(false)
        let (web, db) = (two.web, two.db)
        let counting = Task {
            var number = 0
            while !stop.withLock({ $0 }) {
                number += 1
                // A restore in between ends a command; the next number comes all the same.
                for host in [web, db] { _ = try? await host.run(.shell("set count \(number)")) }
            }
        }
        func counts() async throws -> (web: Int, db: Int) {
            var numbers: [Int] = []
            for host in [web, db] {
                let output = try await host.run(.shell("get count")).standardOutput
                numbers.append(
                    try #require(
                        Int(String(decoding: output, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines))))
            }
            return (numbers[0], numbers[1])
        }
        while try await db.run(.shell("get count")).exitCode != 0 {}
        var taken: [LabCheckpoint] = []
        for index in 0..<5 { taken.append(try await two.checkpoint(CheckpointName("moment \(index)"))) }
        // The control: two checkpoints one after the other, with counting in between.
        let apart = [
            try await web.checkpoint(CheckpointRequest(name: "web alone")).id,
            try await {
                let first = try await counts().db
                while try await counts().db < first + 3 {}
                return try await db.checkpoint(CheckpointRequest(name: "db alone")).id
            }(),
        ]
        stop.withLock { $0 = true }
        await counting.value
        for (index, checkpoint) in (taken + taken.reversed()).enumerated() {
            try await two.apply(checkpoint)
            let (w, d) = try await counts()
            #expect(w - d == 0 || w - d == 1, "\(index): web \(w), db \(d)")
        }
        _ = try await web.apply(apart[0])
        _ = try await db.apply(apart[1])
        let (w, d) = try await counts()
        #expect(d - w >= 2, "web \(w), db \(d)")
        await two.letGo()
    }

    @Test func `it is one thing to create, apply, list, rename and delete`() async throws {
        let two = try await TwoMachines()
        try await two.start()
        try await two.set("first")
        let first = try await two.checkpoint("first")
        try await two.set("second")
        let second = try await two.checkpoint("second")
        try await two.set("third")
        #expect(try two.record.checkpoints == [first, second])
        #expect(try two.record.parent == second)
        #expect(try two.names == [["first", "second"], ["first", "second"]])
        try await two.apply(first)
        #expect(try await two.words() == ["first", "first", "first", "first"])
        #expect(try two.record.parent == first)
        try await two.apply(second)
        #expect(try await two.words() == ["second", "second", "second", "second"])
        // Names belong to the whole, and one that a machine's checkpoint got by itself stays.
        try await two.db.change(second.members[0].checkpoint, name: "mine", notes: nil)
        try await two.lab.rename(second, to: "later", of: two.hosts)
        #expect(try two.names == [["first", "mine"], ["first", "later"]])
        #expect(try two.record.checkpoint("later").id == second.id)
        await #expect(throws: EngineError.self) { try await two.lab.rename(second, to: "first", of: two.hosts) }
        try await two.reopen()
        #expect(try two.names == [["first", "mine"], ["first", "later"]])
        try await two.lab.delete(first, of: two.hosts)
        #expect(try two.names == [["mine"], ["later"]])
        try await two.apply(two.record.checkpoint("later"))
        #expect(try await two.words() == ["second", "second", "second", "second"])
        // Replaced by one of the same name, it is there as long as a part of another name is.
        let again = try await two.checkpoint("later", replace: true)
        #expect(try two.names == [["later", "mine"], ["later"]])
        #expect(throws: EngineError.self) { try two.record.checkpoint("later") }
        try await two.db.delete([second.members[0].checkpoint])
        #expect(try two.record.checkpoints == [again])
        #expect(try two.record.checkpoint("later") == again)
        await two.letGo()
    }

    @Test(arguments: [SimulatedHypervisor.Request.stop, .saveDevices, .readMemory, .changedPages, .resume])
    func `when one machine fails none has the checkpoint, and all go on`(
        request: SimulatedHypervisor.Request
    ) async throws {
        let two = try await TwoMachines()
        try await two.start()
        try await two.set("first")
        try await two.checkpoint("first")
        try await two.set("second")
        two.failing.request.withLock { $0 = request }
        await #expect(throws: HypervisorError.self) { try await two.checkpoint("second") }
        two.failing.request.withLock { $0 = nil }
        #expect(await two.db.state == .running)
        // One that cannot go on is off, as after its own checkpoint.
        #expect(await two.web.state == (request == .resume ? .off : .running))
        if request == .resume {
            try await two.web.start()
        } else {
            #expect(try await two.words() == ["second", "second", "second", "second"])
        }
        #expect(try two.names == [["first"], ["first"]])
        try await two.checkpoint("second")
        #expect(try two.names == [["first", "second"], ["first", "second"]])
        await two.letGo()
    }

    @Test(arguments: [SimulatedHypervisor.Request.launch, .stop, .loadDevices])
    func `when one machine cannot be restored none is`(request: SimulatedHypervisor.Request) async throws {
        let two = try await TwoMachines(.freshProcess)
        try await two.start()
        try await two.set("first")
        let first = try await two.checkpoint("first")
        try await two.set("second")
        let files = try two.files()
        two.failing.request.withLock { $0 = request }
        await #expect(throws: HypervisorError.self) { try await two.apply(first) }
        two.failing.request.withLock { $0 = nil }
        #expect(try two.files() == files)
        #expect(try await two.words() == ["second", "second", "second", "second"])
        try await two.apply(first)
        #expect(try await two.words() == ["first", "first", "first", "first"])
        await two.letGo()
    }

    @Test(arguments: MachineState.allCases, MachineState.allCases)
    func `each machine is held in its state, and comes back to it`(one: MachineState, other: MachineState) async throws
    {
        let two = try await TwoMachines()
        try await two.start()
        try await two.set("held")
        for (host, state) in zip(two.hosts, [one, other]) {
            switch state {
            case .off: try await host.turnOff()
            case .paused: try await host.pause()
            case .saved: try await host.save()
            case .running: break
            }
        }
        let held = try await two.checkpoint("held")
        #expect(await two.db.state == one)
        #expect(await two.web.state == other)
        for host in two.hosts { try await host.turnOff() }
        try await two.start()
        try await two.set("changed")
        try await two.apply(held)
        #expect(await two.db.state == one)
        #expect(await two.web.state == other)
        for host in two.hosts {
            switch await host.state {
            case .off, .saved: try await host.start()
            case .paused: try await host.resume()
            case .running: break
            }
        }
        let words = try await two.words()
        #expect(words[1] == "held" && words[3] == "held")
        #expect(words[0] == (one == .off ? "(unset)" : "held"))
        #expect(words[2] == (other == .off ? "(unset)" : "held"))
        await two.letGo()
    }

    @Test func `a part that is deleted or restored alone leaves the rest as it is`() async throws {
        let two = try await TwoMachines()
        try await two.start()
        try await two.set("first")
        let first = try await two.checkpoint("first")
        try await two.set("second")
        // One machine alone goes back; the whole is still there.
        _ = try await two.web.apply(first.members[1].checkpoint)
        #expect(try await two.words() == ["second", "second", "first", "first"])
        #expect(try two.record.missing(of: first).isEmpty)
        try await two.web.delete([first.members[1].checkpoint])
        #expect(try two.record.missing(of: first).map(\.name) == ["web"])
        #expect(try two.record.parent == nil)
        let refusal = await #expect(throws: EngineError.self) { try await two.apply(first) }
        #expect(refusal?.description.contains("'web'") == true)
        _ = try await two.db.apply(first.members[0].checkpoint)
        #expect(try await two.words() == ["first", "first", "first", "first"])
        try await two.lab.delete(first, of: two.hosts)
        #expect(try two.names == [[], []])
        #expect(try two.record.checkpoints.isEmpty)
        // The last part that goes takes the whole with it.
        let second = try await two.checkpoint("first")
        for (host, member) in zip(two.hosts, second.members) { try await host.delete([member.checkpoint]) }
        #expect(try two.record.checkpoints.isEmpty)
        try two.lab.removeLeftovers()
        #expect(!FileSystem.exists(two.lab.labCheckpoint(second.id)))
        await two.letGo()
    }

    @Test(arguments: [false, true])
    func `when whoever gathers them ends, the machines go by what the files say`(isCommitted: Bool) async throws {
        let two = try await TwoMachines()
        try await two.start()
        try await two.set("held")
        var request = CheckpointRequest(name: "held")
        let id = GUID.random()
        request.labCheckpoint = id
        let checkpoint = LabCheckpoint(
            id: id, name: "held", created: 0, notes: nil, owner: nil,
            members: try two.hosts.map {
                LabCheckpoint.Member(
                    machine: try $0.folder.identity(), name: $0.folder.name, checkpoint: .random())
            })
        let gathering = try Gathering(
            zip(two.hosts, checkpoint.members).map { ($0, .checkpoint(request, as: $1.checkpoint)) })
        await #expect(throws: HypervisorError.self) {
            _ = try await gathering.run {
                if isCommitted { try FileSystem.commit(checkpoint.file(), to: two.lab.labCheckpoint(id)) }
                throw HypervisorError.injected
            }
        }
        for host in two.hosts {
            #expect(await host.state == .running)
            #expect(await host.files.tree.checkpoints.map(\.name.description) == (isCommitted ? ["held"] : []))
        }
        #expect(try two.names == (isCommitted ? [["held"], ["held"]] : [[], []]))
        try await two.set("changed")
        if isCommitted {
            try await two.apply(checkpoint)
            #expect(try await two.words() == ["held", "held", "held", "held"])
        }
        await two.letGo()
    }

    @Test func `a part comes back from the trash to the whole, or alone once that is gone`() async throws {
        let two = try await TwoMachines(trash: .standard)
        try await two.start()
        try await two.set("first")
        let first = try await two.checkpoint("first")
        try await two.set("second")
        try await two.web.delete([first.members[1].checkpoint])
        #expect(try two.record.missing(of: first).map(\.name) == ["web"])
        try await two.web.restoreFromTrash(first.members[1].checkpoint, as: nil)
        #expect(try two.record.missing(of: first).isEmpty)
        try await two.apply(first)
        #expect(try await two.words() == ["first", "first", "first", "first"])
        // What each machine was is in its trash.
        for machine in try two.record.machines { #expect(try MachineTrash(of: machine).entries.count == 1) }
        try await two.web.delete([first.members[1].checkpoint])
        try await two.lab.delete(first, of: two.hosts)
        try two.lab.removeLeftovers()
        #expect(!FileSystem.exists(two.lab.labCheckpoint(first.id)))
        try await two.web.restoreFromTrash(first.members[1].checkpoint, as: nil)
        try await two.reopen()
        #expect(try two.names == [[], ["first"]])
        #expect(try two.record.checkpoints.isEmpty)
        _ = try await two.web.apply(first.members[1].checkpoint)
        #expect(await two.web.state == .running)
        await two.letGo()
    }
}

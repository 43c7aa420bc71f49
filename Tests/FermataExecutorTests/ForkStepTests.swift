// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataEngine
import FermataExecutor
import FermataModel
import FermataPlan
import FermataTestSupport
import StorageTestSupport
import SystemPackage
import Testing

/// Steps that make machines of checkpoints of others, and use them.
@Suite struct ForkStepTests {
    static func sh(_ machine: MachineName, _ line: String, equals: String? = nil) -> Action {
        .run(machine, .shell(line), expect: Expectation(equals: equals), within: .seconds(60))
    }

    static func ready(_ machine: MachineName) -> Action {
        .waitForConsole(machine, .plain("simulated guest ready"), within: .seconds(60))
    }

    /// A base that is installed once, a twin that runs on from there, and one that starts from the base's disks.
    static let recipe = TestLab.recipe([
        .start("web"), .ready, .sh("write 0 hello"), .sh("set count 7"), .hold("installed"),
        .checkpoint("disks", of: "web", replace: false, notes: nil, kind: .diskOnly),
        .sh("set count 8"), .sh("write 0 later"),

        // The twin has the memory and the disk of the checkpoint, and what it does stays its own.
        .fork("twin", of: "web", from: "installed"),
        sh("twin", "get count", equals: "7"), sh("twin", "read 0 5", equals: "hello"),
        sh("twin", "set count 20"), sh("twin", "write 0 twin"),
        .checkpoint("own", of: "twin", replace: false, notes: nil),
        sh("twin", "set count 21"), sh("twin", "write 0 gone"),
        .revert("twin"),
        sh("twin", "get count", equals: "20"), sh("twin", "read 0 4", equals: "twin"),
        .sh("get count", Expectation(equals: "8")), .sh("read 0 5", Expectation(equals: "later")),

        // Without a checkpoint's name that from which now grew; a disk-only one gives a machine that is off.
        .fork("third", of: "web", from: nil), .start("third"), ready("third"),
        sh("third", "get count", equals: "(unset)"), sh("third", "read 0 5", equals: "hello"),

        // A fork of a fork, whose memory is the twin's.
        .fork("fourth", of: "twin", from: nil), sh("fourth", "get count", equals: "20"),
        sh("fourth", "read 0 4", equals: "twin"),

        .checkpoint("all", of: nil, replace: false, notes: nil), sh("fourth", "set count 4"), .sh("set count 9"),
        .revert(nil), sh("fourth", "get count", equals: "20"), .sh("get count", Expectation(equals: "8")),

        // What was forked needs none of the checkpoints of which it was made.
        .deleteCheckpoint("installed", of: "web", .checkpoint),
        sh("twin", "read 0 4", equals: "twin"), .apply("disks", of: "web"), .start("web"), .ready,
        .sh("get count", Expectation(equals: "(unset)")), .sh("read 0 5", Expectation(equals: "hello")),
    ])

    @Test func `forks run on from their checkpoints, and a rerun makes them again`() async throws {
        let lab = try TestLab()
        var identities: Set<GUID> = []
        for round in 1...3 {
            let (events, error) = try await lab.run(Self.recipe)
            #expect(error == nil, "\(String(describing: error))")
            guard case .finished(let outcome) = events.last?.kind else {
                Issue.record("the last event is \(String(describing: events.last))")
                return
            }
            #expect(outcome.machines.map(\.name) == ["web", "twin", "third", "fourth"])
            let twin = try MachineRecord(reading: lab.lab.folder.machine("twin"))
            identities.insert(twin.id)
            #expect(identities.count == round)
            #expect(twin.now.owner?.recipe == "lab" && twin.stateAtRest == .off)
            #expect(twin.tree.checkpoints.map(\.name) == ["own", "all"])
            #expect(twin.tree.checkpoints.allSatisfy { $0.owner?.recipe == "lab" && $0.hasMemory })
            #expect(try lab.tree().listed.checkpoints.map(\.name) == ["disks", "all"])
            #expect(try lab.tree().listed.checkpoints.map(\.kind) == [.diskOnly, .standard])
            #expect(lab.hypervisor.liveMachines == 0)
            #expect(try Lab.examine(lab.lab.folder.path).findings == [])
        }
        // Another definition of the base: it is made again, and its forks do not keep it.
        var changed = Self.recipe
        changed.machines[0].processors = 2
        let (_, error) = try await lab.run(changed)
        #expect(error == nil, "\(String(describing: error))")
        #expect(try Lab.examine(lab.lab.folder.path).findings == [])
    }

    @Test func `what is forked of a machine runs on, whatever that was doing and does`() async throws {
        let lab = try TestLab()
        let count = { (machine: MachineName) in Self.sh(machine, "get count", equals: "7") }
        let recipe = TestLab.recipe([
            .start("web"), .ready, .sh("set count 7"), .pause("web"), .hold("paused"),
            .fork("one", of: "web", from: "paused"), count("one"), .save("web"), .hold("saved"),
            .fork("two", of: "web", from: "saved"), count("two"), .turnOff("web"),
            .fork("three", of: "web", from: "paused"), count("three"),
            .fork("four", of: "web", from: nil), count("four"),
        ])
        for _ in 1...2 {
            #expect(try await lab.run(recipe).error == nil)
            #expect(lab.hypervisor.liveMachines == 0)
        }
    }

    @Test func `the disks alone of all machines are held at one moment, forks among them`() async throws {
        let lab = try TestLab()
        let recipe = TestLab.recipe([
            .start("web"), .ready, .sh("write 0 hello"), .hold("a"), .fork("twin", of: "web", from: "a"),
            Self.sh("twin", "write 0 other"),
            .checkpoint("disks", of: nil, replace: false, notes: nil, kind: .diskOnly),
            .sh("write 0 later"), Self.sh("twin", "write 0 later"), .apply("disks", of: nil),
            .start("web"), .ready, .start("twin"), Self.ready("twin"),
            .sh("read 0 5", Expectation(equals: "hello")), Self.sh("twin", "read 0 5", equals: "other"),
        ])
        for _ in 1...2 {
            let (_, error) = try await lab.run(recipe)
            #expect(error == nil, "\(String(describing: error))")
            #expect(try lab.tree("twin").checkpoints.map(\.kind) == [.diskOnly])
            #expect(try lab.tree("twin").checkpoints.map(\.hasMemory) == [false])
        }
    }

    @Test func `what was forked can be defined, and what was defined can be forked`() async throws {
        let lab = try TestLab()
        let forking = TestLab.recipe([
            .start("web"), .ready, .sh("write 0 hello"), .hold("a"), .fork("twin", of: "web", from: "a"),
            Self.sh("twin", "read 0 5", equals: "hello"), .checkpoint("b", of: "twin", replace: false, notes: nil),
        ])
        var defining = TestLab.recipe([
            .start("twin"), Self.ready("twin"), Self.sh("twin", "read 0 5", equals: ""),
            .checkpoint("b", of: "twin", replace: false, notes: nil),
        ])
        defining.machines.append(TestLab.machine("twin"))
        for recipe in [forking, defining, defining, forking, forking] {
            let (_, error) = try await lab.run(recipe)
            #expect(error == nil, "\(String(describing: error))")
            #expect(try lab.tree("twin").listed.checkpoints.map(\.name) == ["b"])
            #expect(try Lab.examine(lab.lab.folder.path).findings == [])
        }
    }

    @Test func `a fork of the origin is a machine that was never started`() async throws {
        let lab = try TestLab()
        let recipe = TestLab.recipe([
            .fork("blank", of: "web", from: nil), .start("web"), .ready, .sh("write 0 hello"), .start("blank"),
            Self.ready("blank"), Self.sh("blank", "read 0 5", equals: ""),
        ])
        for _ in 1...2 { #expect(try await lab.run(recipe).error == nil) }
    }

    @Test func `forks that run at the end are saved, and the next run discards them`() async throws {
        let lab = try TestLab()
        let recipe = TestLab.recipe([
            .start("web"), .ready, .sh("set count 7"), .hold("a"), .fork("twin", of: "web", from: nil),
            Self.sh("twin", "get count", equals: "7"),
        ])
        for _ in 1...2 {
            try await lab.lab.run(recipe, in: lab.folder.path, atEnd: .saved)
            let machines = try lab.lab.inventory(for: recipe, in: lab.folder.path).machines
            #expect(machines.map(\.state) == [.saved, .saved])
            #expect(machines.first { $0.name == "web" }?.forks == ["twin"])
        }
        let twin = try lab.lab.open("twin")
        try await twin.start()
        #expect(String(decoding: try await twin.run("get count").standardOutput, as: UTF8.self) == "7\n")
        await twin.close()
    }

    @Test func `a step of a fork that fails keeps the fork at its failure`() async throws {
        let lab = try TestLab()
        let recipe = TestLab.recipe([
            .start("web"), .ready, .hold("a"), .fork("twin", of: "web", from: "a"), Self.sh("twin", "exit 3"),
        ])
        for _ in 1...2 {
            let (events, error) = try await lab.run(recipe)
            #expect(error?.message.hasPrefix("step 5, Run twin exit 3: expected exit code 0, got 3") == true)
            #expect(
                events.contains { if case .kept("twin", as: "failed: 5 Run", nil) = $0.kind { true } else { false } })
            #expect(try lab.tree("twin").checkpoints.map(\.name) == ["failed: 5 Run"])
            #expect(lab.hypervisor.liveMachines == 0)
        }
    }

    @Test func `a machine of a fork's name that is made after the plan is left alone`() async throws {
        let lab = try TestLab()
        let recipe = TestLab.recipe([.fork("twin", of: "web", from: nil)])
        let plan = try lab.lab.plan(recipe, in: lab.folder.path)
        await (try lab.lab.create(TestLab.machine("twin"), in: lab.folder.path)).close()
        let error = await #expect(throws: RunError.self) {
            try await PlanExecutor(plan, in: lab.lab, recipeFolder: lab.folder.path).run()
        }
        #expect(
            error?.description.hasPrefix("lab.lua:10: error: step 1, Fork twin of web from its origin, off: ") == true)
        #expect(error?.message.hasSuffix("twin exists already; choose another name, or remove it") == true)
        #expect(try MachineRecord(reading: lab.lab.folder.machine("twin")).now.owner == nil)
        // Of a plan that is made now it is a mistake.
        let mistakes = #expect(throws: PlanningErrors.self) { try lab.lab.plan(recipe, in: lab.folder.path) }
        #expect(mistakes?.diagnostics.map(\.code) == [.notOwned])
    }

    @Test func `a fork that is another one than the plan knows is not deleted`() async throws {
        let lab = try TestLab()
        let recipe = TestLab.recipe([.fork("twin", of: "web", from: nil)])
        #expect(try await lab.run(recipe).error == nil)
        let plan = try lab.lab.plan(recipe, in: lab.folder.path)
        try await lab.lab.delete("twin")
        await (try lab.lab.create(TestLab.machine("twin"), in: lab.folder.path)).close()
        let error = await #expect(throws: RunError.self) {
            try await PlanExecutor(plan, in: lab.lab, recipeFolder: lab.folder.path).run()
        }
        #expect(error?.code == .stale)
        #expect(
            error?.message == "delete machine twin, which is forked again: machine 'twin' is not the one for which the "
                + "plan was made; plan again")
        #expect(try MachineRecord(reading: lab.lab.folder.machine("twin")).now.owner == nil)
    }

    @Test func `a fork that somebody uses is not deleted`() async throws {
        let lab = try TestLab()
        let recipe = TestLab.recipe([.fork("twin", of: "web", from: nil)])
        #expect(try await lab.run(recipe).error == nil)
        let plan = try lab.lab.plan(recipe, in: lab.folder.path)
        let twin = try lab.lab.open("twin")
        let mistakes = #expect(throws: PlanningErrors.self) { try lab.lab.plan(recipe, in: lab.folder.path) }
        #expect(mistakes?.diagnostics.map(\.code) == [.inUse])
        let error = await #expect(throws: RunError.self) {
            try await PlanExecutor(plan, in: lab.lab, recipeFolder: lab.folder.path).run()
        }
        #expect(error?.code == .lab, "\(String(describing: error))")
        await twin.close()
        #expect(try await lab.run(recipe).error == nil)
    }

    @Test func `what somebody else forked of the recipe's machine is refused before anything happens`() async throws {
        let lab = try TestLab()
        #expect(try await lab.run(TestLab.recipe([.start("web"), .ready, .hold("a")])).error == nil)
        let web = try lab.lab.open("web")
        try await web.fork("a", as: "theirs", withMemory: false)
        await web.close()
        var changed = TestLab.recipe([])
        changed.machines[0].memory = .mebibytes(2)
        let before = try lab.contents()
        let mistakes = #expect(throws: PlanningErrors.self) { try lab.lab.plan(changed, in: lab.folder.path) }
        #expect(
            mistakes?.diagnostics.map(\.description) == [
                "lab.lua:1: error: machine 'web' has changed in the recipe and must be made again, but its fork 'theirs' "
                    + "reads through its disks; make that independent with 'fermata vm promote theirs', or delete it"
            ])
        #expect(try lab.contents() == before)
        // As it was, it goes back to its origin all the same.
        #expect(try await lab.run(TestLab.recipe([.start("web"), .ready])).error == nil)
    }

    @Test func `a fork that somebody else made and deleted is told of where it is`() async throws {
        let lab = try TestLab()
        let trashing = Lab(
            at: lab.lab.folder.path, hypervisor: lab.hypervisor, trash: TrashBudget(age: 3600, bytes: 1 << 30))
        try await trashing.run(TestLab.recipe([.start("web"), .ready, .hold("a")]), in: lab.folder.path)
        let web = try trashing.open("web")
        try await web.fork("a", as: "theirs", withMemory: false)
        await web.close()
        try await trashing.delete("theirs")
        var changed = TestLab.recipe([])
        changed.machines[0].memory = .mebibytes(2)
        let mistakes = #expect(throws: PlanningErrors.self) { try trashing.plan(changed, in: lab.folder.path) }
        #expect(
            mistakes?.diagnostics.map(\.suggestion) == ["remove that with 'fermata gc theirs'"],
            "\(String(describing: mistakes))")
    }

    @Test func `a machine whose author forbids checkpoints is not held`() async throws {
        let lab = try TestLab()
        let recipe = TestLab.recipe([.hold("a")])
        #expect(try await lab.run(recipe).error == nil)
        let web = try lab.lab.open("web")
        try await web.change(HardwareChange(allowsCheckpoints: false))
        await web.close()
        let mistakes = #expect(throws: PlanningErrors.self) { try lab.lab.plan(recipe, in: lab.folder.path) }
        #expect(mistakes?.diagnostics.map(\.code) == [.forbidden])
    }
}

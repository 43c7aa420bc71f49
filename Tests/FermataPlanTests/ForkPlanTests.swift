// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import FermataPlan
import StorageTestSupport
import Testing

/// Steps that fork machines, export checkpoints, and hold disks alone.
@Suite struct ForkPlanTests {
    /// A base that is installed once, two machines from there and one of one of them, and a folder to take away.
    static let recipe: Recipe = Sample.recipe([
        .start("web"),
        .run("web", .shell("install"), expect: .success, within: .seconds(60)),
        .checkpoint("installed", of: "web", replace: false, notes: nil),
        .fork("twin", of: "web", from: "installed"),
        .run("twin", .shell("echo twin"), expect: .success, within: .seconds(60)),
        .checkpoint("at rest", of: "twin", replace: false, notes: nil, kind: .diskOnly),
        .fork("third", of: "twin", from: nil),
        .start("third"),
        .checkpoint("all", of: nil, replace: false, notes: nil, kind: .diskOnly),
        .revert("twin"),
        .revert(nil),
        .exportCheckpoint("installed", of: "web", to: "installed-web", flattened: true, memory: true),
        .exportCheckpoint("at rest", of: "twin", to: "/tmp/twin", flattened: false, memory: false),
        .apply("installed", of: "web"),
        .checkpoint("later", of: "web", replace: false, notes: nil),
    ])

    /// What a run of it leaves, by and large.
    static let used: Inventory = {
        var inventory = Sample.used
        inventory.machines[0].tree.checkpoints = [
            Sample.checkpoint(1, "origin", parent: nil, isOrigin: true), Sample.checkpoint(2, "installed", parent: 1),
        ]
        inventory.machines[0].tree.now = Sample.id(2)
        inventory.machines[0].forks = ["twin", "third"]
        var twin = Inventory.Machine(name: "twin", id: Sample.id(50), state: .off, owner: Sample.owner())
        twin.tree = CheckpointTree(
            checkpoints: [Sample.checkpoint(51, "at rest", parent: nil, hasMemory: false)], now: Sample.id(51))
        twin.forks = ["third"]
        let third = Inventory.Machine(name: "third", id: Sample.id(60), state: .saved, owner: Sample.owner())
        inventory.machines += [twin, third]
        return inventory
    }()

    @Test func `forks are machines of the plan, with trees of their own`() throws {
        let plan = try Planner.plan(Self.recipe, with: Sample.empty)
        try Golden.check(plan.description, "FermataPlan/forks.txt")
        try Golden.check(plan.json, "FermataPlan/forks.json")
        let kinds = plan.operations.map(\.kind)
        #expect(
            kinds.contains(
                .fork(
                    NewFork(
                        name: "twin", source: "web", checkpoint: "installed", owner: Sample.owner(), withMemory: true)))
        )
        #expect(
            kinds.contains(
                .fork(
                    NewFork(
                        name: "third", source: "twin", checkpoint: "at rest", owner: Sample.owner(), withMemory: false))
            ))
        #expect(plan.forecasts.map(\.fate) == [.create, .fork, .fork])
        #expect(plan.forecasts.map(\.machine) == ["web", "twin", "third"])
    }

    @Test func `a second run deletes the forks first, those of forks before the rest`() throws {
        let plan = try Planner.plan(Self.recipe, with: Self.used)
        try Golden.check(plan.description, "FermataPlan/forks-again.txt")
        #expect(
            plan.operations.prefix(2).map(\.kind) == [
                .deleteMachine("third", Sample.id(60)), .deleteMachine("twin", Sample.id(50)),
            ])
        guard case .returnToOrigin("web", _) = plan.operations[2].kind else {
            Issue.record("the third operation is \(plan.operations[2])")
            return
        }
        #expect(plan.forecasts.map(\.fate) == [.returnToOrigin, .forkAgain, .forkAgain])
    }

    @Test func `forks that are deleted do not keep a changed machine from being made again`() throws {
        var used = Self.used
        used.machines[0].owner?.definition = "old"
        let plan = try Planner.plan(Self.recipe, with: used)
        guard case .recreateMachine(_, replacing: Sample.id(100)) = plan.operations[2].kind else {
            Issue.record("the third operation is \(plan.operations[2])")
            return
        }
    }

    @Test(arguments: [
        (Action.checkpoint("a", of: "web", replace: false, notes: nil), MachineState.running),
        (.checkpoint("a", of: "web", replace: false, notes: nil, kind: .diskOnly), .off),
    ])
    func `a fork, and what is applied, has the power that the checkpoint holds`(
        _ checkpoint: Action, _ state: MachineState
    ) throws {
        for last in [Action.fork("twin", of: "web", from: "a"), .apply("a", of: "web")] {
            let machine: MachineName = if case .fork = last { "twin" } else { "web" }
            let recipe = Sample.recipe([.start("web"), checkpoint, last])
            let ends = try Planner.plan(recipe, with: Sample.empty).operations.filter { $0.phase == .end }.map(\.kind)
            #expect(ends.contains(.turnOff(machine)) == (state == .running))
            let started = Sample.recipe([.start("web"), checkpoint, last, .start(machine)])
            let codes: [Diagnostic.Code]
            do {
                _ = try Planner.plan(started, with: Sample.empty)
                codes = []
            } catch {
                codes = error.diagnostics.map(\.code)
            }
            #expect(codes == (state == .off ? [] : [.wrongState]))
        }
    }

    @Test func `a machine that was forked is no longer the whole lab`() throws {
        let recipe = Sample.recipe([
            .checkpoint("a", of: nil, replace: false, notes: nil), .fork("twin", of: "web", from: "a"),
            .checkpoint("b", of: nil, replace: false, notes: nil),
        ])
        let steps = try Planner.plan(recipe, with: Sample.empty).operations.filter { $0.step != nil }.map(\.kind)
        guard case .checkpoint = steps[0], case .together(let kinds) = steps[2] else {
            Issue.record("\(steps)")
            return
        }
        #expect(kinds.flatMap(\.machines) == ["web", "twin"])
    }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import FermataPlan
import StorageTestSupport
import Testing

@Suite struct PropertyTests {
    @Test func `the planner's verdict is a simulator's`() {
        var verdicts: [Bool: Int] = [:]
        for seed in SeededGenerator.seeds(800) {
            var random = RandomRecipe(seed: seed)
            let recipe = random.sensible()
            let expected = Simulation.firstMistake(in: recipe)
            verdicts[expected == nil, default: 0] += 1
            do {
                _ = try Planner.plan(recipe, with: Inventory())
                #expect(expected == nil, "seed \(seed): step \(expected ?? 0) was not refused")
            } catch {
                let step = error.diagnostics.first?.step
                #expect(step == expected, "seed \(seed): \(error)")
            }
        }
        // With a chosen seed there is one recipe only.
        if verdicts.values.reduce(0, +) > 1 {
            #expect(verdicts[true, default: 0] > 100 && verdicts[false, default: 0] > 100, "\(verdicts)")
        }
    }

    @Test func `a plan can be done, and what it foretells comes true, again and again`() throws {
        for seed in SeededGenerator.seeds(300) {
            var random = RandomRecipe(seed: seed)
            let recipe = random.sensible()
            var lab = ModelLab()
            for round in 1...3 {
                let inventory = lab.inventory
                let atEnd = random.generator.pick(Plan.AtEnd.allCases, or: .off)
                guard let plan = try? Planner.plan(recipe, with: inventory, atEnd: atEnd) else {
                    #expect(round == 1, "seed \(seed): round \(round) has no plan")
                    break
                }
                do {
                    try lab.run(plan)
                } catch {
                    Issue.record("seed \(seed), round \(round): \(error)")
                    break
                }
                for forecast in plan.forecasts {
                    let tree = lab.machines[forecast.machine]?.tree.listed
                    #expect(shape(forecast.after) == tree.map(shape), "seed \(seed), round \(round)")
                    let before = inventory.machine(named: forecast.machine)?.tree.listed
                    #expect(shape(forecast.before) == shape(before ?? CheckpointTree()), "seed \(seed)")
                    let state = lab.machines[forecast.machine]?.state
                    #expect(state == .off || state == .saved, "seed \(seed), round \(round)")
                }
                if round == 1, let machine = recipe.machines.first { try lab.holdByHand("by hand", of: machine.name) }
                if round == 2, let machine = recipe.machines.first {
                    let names = lab.machines[machine.name]?.tree.checkpoints.map(\.name) ?? []
                    #expect(names.contains("by hand"), "seed \(seed): a checkpoint made by hand is gone")
                }
            }
        }
    }

    /// What matters of a tree: each checkpoint with its parent and kind, and where now hangs.
    private func shape(_ tree: PlannedTree) -> Set<[String]> {
        let rows = tree.checkpoints.map { checkpoint in
            [
                checkpoint.name.description, checkpoint.parent.map { tree.checkpoints[$0].name.description } ?? "/",
                "\(checkpoint.hasMemory)",
            ]
        }
        return Set(rows + [["/now", tree.now.map { tree.checkpoints[$0].name.description } ?? "/"]])
    }

    private func shape(_ tree: CheckpointTree) -> Set<[String]> {
        func name(_ id: GUID?) -> String { id.flatMap { tree[$0] }?.name.description ?? "/" }
        let rows = tree.checkpoints.map { [$0.name.description, name($0.parent), "\($0.hasMemory)"] }
        return Set(rows + [["/now", name(tree.now)]])
    }

    @Test func `whatever is written and whatever exists, there is a plan or an error`() {
        var planned = 0
        for seed in SeededGenerator.seeds(800) {
            var random = RandomRecipe(seed: seed)
            let recipe = random.wild()
            do {
                let plan = try Planner.plan(recipe, with: random.inventory(for: recipe))
                planned += 1
                #expect(!plan.description.isEmpty && !plan.json.isEmpty, "seed \(seed)")
                #expect(throws: Never.self, "seed \(seed)") { try JSON(parsing: plan.json) }
            } catch {
                #expect(error.diagnostics.contains { $0.severity == .error }, "seed \(seed)")
                #expect(!error.description.contains("\0"), "seed \(seed)")
            }
        }
        #expect(planned < 800)
    }

    @Test func `a recipe's JSON gives the recipe back`() throws {
        for seed in SeededGenerator.seeds(800) {
            var random = RandomRecipe(seed: seed)
            let recipe = random.wild()
            let back = try Recipe(json: recipe.json)
            #expect(back == recipe, "seed \(seed)")
            #expect(back.json == recipe.json, "seed \(seed)")
            #expect(try JSON(parsing: recipe.jsonValue.compact) == recipe.jsonValue, "seed \(seed)")
        }
    }

    @Test func `a document that was tampered with is read or refused`() {
        for seed in SeededGenerator.seeds(800) {
            var random = RandomRecipe(seed: seed)
            var bytes = Array(random.wild().jsonValue.compact.utf8)
            for _ in 0..<Int.random(in: 1...3, using: &random.generator) {
                let index = Int.random(in: 0..<bytes.count, using: &random.generator)
                bytes[index] = UInt8.random(in: 0...127, using: &random.generator)
            }
            do {
                let recipe = try Recipe(json: String(decoding: bytes, as: UTF8.self))
                #expect(try Recipe(json: recipe.json) == recipe, "seed \(seed)")
            } catch {
                #expect(!"\(error)".isEmpty, "seed \(seed)")
            }
        }
    }

    @Test func `a recipe of thousands of steps has a plan, and so have thousands of mistakes`() throws {
        let names = (0..<5000).map { CheckpointName("checkpoint \($0)") }
        let steps = names.map { Step(.checkpoint($0, of: nil, replace: false, notes: nil)) }
        let applies = names.map { Step(.apply($0, of: nil)) }
        let machine = MachineDefinition(name: "a", disks: [.init(name: "d", size: .mebibytes(1))])
        let plan = try Planner.plan(Recipe(name: "r", machines: [machine], steps: steps + applies), with: Inventory())
        #expect(plan.operations.count == 10_002)
        #expect(plan.description.utf8.count > 10_000)
        let errors = #expect(throws: PlanningErrors.self) {
            try Planner.plan(Recipe(name: "r", machines: [machine], steps: applies + steps), with: Inventory())
        }
        #expect(errors?.diagnostics.count == 5000)
    }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import FermataPlan
import Hashing
import StorageTestSupport
import Testing

@Suite struct PlanTests {
    @Test func `a first run creates the machine`() throws {
        let plan = try Planner.plan(Sample.firstLab, with: Sample.empty)
        try Golden.check(plan.description, "FermataPlan/first-run.txt")
        try Golden.check(plan.json, "FermataPlan/first-run.json")
    }

    @Test func `a second run returns to the origin and keeps what is not the recipe's`() throws {
        let plan = try Planner.plan(Sample.firstLab, with: Sample.used)
        try Golden.check(plan.description, "FermataPlan/second-run.txt")
        try Golden.check(plan.json, "FermataPlan/second-run.json")
        guard case .returnToOrigin("web", let back)? = plan.operations.first?.kind else {
            Issue.record("the plan begins with \(String(describing: plan.operations.first))")
            return
        }
        #expect(back.machine == Sample.id(100) && back.origin == Sample.id(1))
        #expect(back.deleting.map(\.name) == ["stopped", "fixed", "clean"])
    }

    @Test func `a run of a changed definition makes the machine again`() throws {
        var used = Sample.used
        used.machines[0].tree.checkpoints.removeAll { $0.name == "mine" }
        used.machines[0].tree.now = Sample.id(1)
        var recipe = Sample.firstLab
        recipe.machines[0].memory = .mebibytes(512)
        let plan = try Planner.plan(recipe, with: used)
        try Golden.check(plan.description, "FermataPlan/changed-definition.txt")
        guard case .recreateMachine(let new, replacing: Sample.id(100))? = plan.operations.first?.kind else {
            Issue.record("the plan begins with \(String(describing: plan.operations.first))")
            return
        }
        #expect(new.owner == Sample.owner(of: recipe.machines[0]))
        #expect(new.files.map(\.digest) == [Sample.kernel, Sample.initrd])
        #expect(plan.operations[1].kind == .createOrigin("web", owner: new.owner))
    }

    @Test func `a machine without its origin is made again`() throws {
        var used = Sample.used
        used.machines[0].tree = CheckpointTree()
        let plan = try Planner.plan(Sample.firstLab, with: used)
        #expect(plan.forecasts.map(\.fate) == [.recreate])
    }

    @Test func `a kernel of other contents is another definition, one at another path is not`() {
        let files = ["a": Sample.kernel, "b": Sample.kernel, "c": Sample.initrd]
        func digest(_ path: String) -> Digest? {
            MachineDefinition(name: "web", boot: .init(kernel: path), at: Sample.line(path.count)).digest(files: files)
        }
        #expect(digest("a") != nil && digest("a") == digest("b"))
        #expect(digest("a") != digest("c"))
        #expect(digest("nowhere") == nil)
        let disk = MachineDefinition(name: "web", disks: [.init(name: "a", size: .mebibytes(1))])
        let renamed = MachineDefinition(name: "web", disks: [.init(name: "b", size: .mebibytes(1))])
        #expect(disk.digest(files: [:]) != renamed.digest(files: [:]))
        let networked = MachineDefinition(name: "web", disks: disk.disks, hasNetwork: true)
        #expect(disk.digest(files: [:]) != networked.digest(files: [:]))
        let clocked = MachineDefinition(name: "web", disks: disk.disks, clock: .host)
        #expect(disk.digest(files: [:]) != clocked.digest(files: [:]))
    }

    @Test func `every step is one operation with its number and line`() throws {
        let plan = try Planner.plan(Sample.firstLab, with: Sample.empty)
        let steps = plan.operations.filter { $0.step != nil }
        #expect(steps.compactMap(\.step) == Array(1...Sample.firstLab.steps.count))
        #expect(steps.map(\.at) == Sample.firstLab.steps.map(\.at))
        #expect(plan.operations.allSatisfy { $0.machine == "web" })
    }

    @Test func `steps of the whole lab are of all its machines`() throws {
        let db = MachineDefinition(name: "db", disks: [.init(name: "a", size: .mebibytes(1))])
        let recipe = Sample.recipe(
            [
                .start("web"), .checkpoint("both", of: nil, replace: false, notes: "at one moment"), .start("db"),
                .checkpoint("alone", of: "db", replace: false, notes: nil), .revert(nil),
                .checkpoint("later", of: nil, replace: false, notes: nil), .apply("both", of: nil),
                .renameCheckpoint("later", of: nil, to: "last"), .deleteCheckpoint("both", of: nil, .checkpoint),
                .apply("last", of: nil), .checkpoint("last", of: nil, replace: true, notes: nil),
            ], machines: [Sample.web, db])
        let plan = try Planner.plan(recipe, with: Sample.empty)
        try Golden.check(plan.description, "FermataPlan/whole-lab.txt")
        try Golden.check(plan.json, "FermataPlan/whole-lab.json")
    }

    @Test func `only machines that may still run are turned off at the end`() throws {
        let db = MachineDefinition(name: "db", disks: [.init(name: "a", size: .mebibytes(1))])
        let recipe = Sample.recipe([.start("db"), .start("web"), .turnOff("web")], machines: [Sample.web, db])
        let plan = try Planner.plan(recipe, with: Sample.empty)
        #expect(plan.operations.filter { $0.phase == .end }.map(\.kind) == [.turnOff("db")])
    }

    @Test func `machines that may still run are saved at the end when that is asked for`() throws {
        let names: [MachineName] = ["runs", "paused", "saved", "off"]
        let machines = names.map { MachineDefinition(name: $0, disks: [.init(name: "a", size: .mebibytes(1))]) }
        let recipe = Sample.recipe(
            [.start("runs"), .start("paused"), .pause("paused"), .start("saved"), .save("saved")], machines: machines)
        for (atEnd, expected) in [
            (Plan.AtEnd.off, [Operation.Kind.turnOff("runs"), .turnOff("paused")]),
            (.saved, [.save("runs"), .save("paused")]),
        ] {
            let plan = try Planner.plan(recipe, with: Sample.empty, atEnd: atEnd)
            #expect(plan.atEnd == atEnd && plan.json.contains("\"atEnd\": \"\(atEnd)\""))
            #expect(plan.operations.filter { $0.phase == .end }.map(\.kind) == expected)
            #expect(plan.space.most == .mebibytes(atEnd == .saved ? 3 * 256 : 256))
        }
        let plan = try Planner.plan(recipe, with: Sample.empty, atEnd: .saved)
        #expect(plan.description.contains("At the end\n 14  save runs if it still runs\n"), "\(plan)")
    }

    @Test func `a run that returns a saved machine to its origin says that its memory is lost`() throws {
        var used = Sample.used
        used.machines[0].state = .saved
        let plan = try Planner.plan(Sample.firstLab, with: used)
        guard case .returnToOrigin("web", let back)? = plan.operations.first?.kind else {
            Issue.record("the plan begins with \(String(describing: plan.operations.first))")
            return
        }
        #expect(back.discardsSaved)
        #expect(
            plan.operations[0].summary
                == "return web to its origin, discard its saved memory, delete 'stopped', 'fixed', 'clean'")
        #expect(plan.json.contains("\"discardsSaved\": true"))
        #expect(!(try Planner.plan(Sample.firstLab, with: Sample.used)).json.contains("discardsSaved"))
    }

    @Test func `a revert goes to the checkpoint that replaced its own`() throws {
        let recipe = Sample.recipe([
            .checkpoint("a", of: nil, replace: false, notes: nil),
            .start("web"),
            .checkpoint("a", of: nil, replace: true, notes: nil),
            .turnOff("web"),
            .revert(nil),
            .waitForConsole("web", .plain("x"), within: .seconds(1)),
        ])
        let plan = try Planner.plan(recipe, with: Sample.empty)
        #expect(plan.operations.contains { $0.kind == .revert("web", to: "a") })
        let after = PlannedTree(
            checkpoints: [.init(name: "a", parent: nil, hasMemory: true, marks: [.create, .apply])], now: 0)
        #expect(plan.forecasts.map(\.after) == [after])
    }

    @Test func `an equal recipe at other lines has the same digest, another has not`() throws {
        var moved = Sample.firstLab
        moved.steps[0].at = nil
        let digests = try [Sample.firstLab, moved].map { try Planner.plan($0, with: Sample.empty).recipeDigest }
        #expect(Set(digests).count == 1)
        #expect(digests.allSatisfy { $0.count == 64 })
        let shorter = Sample.recipe([.start("web")])
        #expect(try Planner.plan(shorter, with: Sample.empty).recipeDigest != digests[0])
    }

    @Test func `little space is a warning, too little for the boot files an error`() throws {
        var inventory = Sample.empty
        inventory.freeSpace = .mebibytes(100)
        let plan = try Planner.plan(Sample.firstLab, with: inventory)
        #expect(plan.space == Plan.SpaceNeed(least: .mebibytes(12), most: .mebibytes(12 + 4 * 256)))
        #expect(plan.warnings.map(\.code) == [.space])
        inventory.freeSpace = .mebibytes(11)
        #expect(throws: PlanningErrors.self) { try Planner.plan(Sample.firstLab, with: inventory) }
    }
}

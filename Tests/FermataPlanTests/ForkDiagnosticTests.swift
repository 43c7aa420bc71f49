// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import FermataPlan
import StorageTestSupport
import Testing

/// What is wrong with steps that fork machines, export checkpoints, and hold disks alone.
@Suite struct ForkDiagnosticTests {
    @Test(arguments: forks + exports + existing) func `a wrong recipe is told all its mistakes`(wrong: WrongInput) {
        let errors = #expect(throws: PlanningErrors.self) {
            try Planner.plan(wrong.recipe, with: wrong.inventory)
        }
        #expect(errors?.diagnostics.map(\.description) == wrong.messages)
    }

    static let held: Action = .checkpoint("a", of: "web", replace: false, notes: nil)

    static let forks: [WrongInput] = [
        WrongInput(
            "a fork of nothing",
            steps: [
                .fork("twin", of: "wbe", from: nil), .start("twin"), .fork("third", of: "web", from: "a"),
                .turnOff("third"), .detach("third", disk: "any"), held,
            ], Sample.empty,
            "first-lab.lua:10: error: no machine 'wbe' in this recipe; did you mean 'web'?",
            "first-lab.lua:12: error: no checkpoint 'a' of machine 'web'; it is made later, at first-lab.lua:15"),
        WrongInput(
            "names of forks",
            steps: [
                held, .fork("web", of: "web", from: "a"), .fork("Boot", of: "web", from: "a"),
                .fork("twin", of: "web", from: "a"), .fork("twin", of: "web", from: "a"),
            ], Sample.empty,
            "first-lab.lua:11: error: the recipe has a machine 'web' already, at first-lab.lua:3; choose another name",
            "first-lab.lua:12: error: machine name 'Boot' is reserved for the lab's boot files",
            "first-lab.lua:14: error: the recipe has a machine 'twin' already, at first-lab.lua:13; choose another "
                + "name"),
        WrongInput(
            "a fork before it is made", steps: [.start("twin"), .fork("twin", of: "web", from: nil)], Sample.empty,
            "first-lab.lua:10: error: no machine 'twin' in this recipe; it is forked later, at first-lab.lua:11"),
        WrongInput(
            "a fork without checkpoints",
            steps: [
                .fork("twin", of: "web", from: nil), .revert("twin"), .fork("third", of: "twin", from: nil),
                .checkpoint("b", of: "twin", replace: false, notes: nil), .revert("twin"),
                .deleteCheckpoint("b", of: "twin", .checkpoint), .revert("twin"),
            ], Sample.empty,
            "first-lab.lua:11: error: machine 'twin' is a fork and has no checkpoint to which it could revert; "
                + "hold one first with Checkpoint",
            "first-lab.lua:12: error: machine 'twin' is a fork and has no checkpoint of which another machine could "
                + "be made; hold one first with Checkpoint",
            "first-lab.lua:16: error: machine 'twin' is a fork and has no checkpoint to which it could revert; "
                + "hold one first with Checkpoint"),
        WrongInput(
            "the power of a fork",
            steps: [
                .start("web"), held, .checkpoint("b", of: "web", replace: false, notes: nil, kind: .diskOnly),
                .fork("twin", of: "web", from: "a"), .start("twin"), .fork("third", of: "web", from: "b"),
                .pause("third"), .apply("b", of: "web"), .pause("web"),
            ], Sample.empty,
            "first-lab.lua:14: error: machine 'twin' is running already, since first-lab.lua:13; shut it down or turn "
                + "it off first",
            "first-lab.lua:16: error: Pause needs a running machine, and 'third' is off, since first-lab.lua:15; "
                + "start it first",
            "first-lab.lua:18: error: Pause needs a running machine, and 'web' is off, since first-lab.lua:17; "
                + "start it first"),
        WrongInput(
            "a checkpoint of the lab without its fork",
            steps: [
                .checkpoint("a", of: nil, replace: false, notes: nil), .fork("twin", of: "web", from: "a"),
                .apply("a", of: nil), .revert(nil),
            ], Sample.empty,
            "first-lab.lua:12: error: no checkpoint 'a' of the whole lab; machine 'web' has one of that name: say of "
                + "which machine",
            "first-lab.lua:13: error: no checkpoint of the whole lab is left from which all of its machines grew; "
                + "say of which machine"),
        WrongInput(
            "hardware of a fork",
            steps: [
                .checkpoint("a", of: "web", replace: false, notes: nil), .detach("web", disk: "system"),
                .fork("twin", of: "web", from: "a"), .detach("twin", disk: "system"),
                .detach("twin", disk: "system"),
            ], Sample.empty, "first-lab.lua:14: error: machine 'twin' has no disk 'system'"),
    ]

    static func export(_ path: String, memory: Bool = false) -> Action {
        .exportCheckpoint("a", of: "web", to: path, flattened: false, memory: memory)
    }

    static func found(_ folders: [String: Inventory.Folder]) -> Inventory {
        Inventory(files: Sample.files, folders: folders)
    }

    static let exports: [WrongInput] = [
        WrongInput(
            "nothing to export",
            steps: [
                export("x"), .checkpoint("a", of: "web", replace: false, notes: nil), export("y", memory: true),
                .start("web"), .checkpoint("a", of: "web", replace: true, notes: nil, kind: .diskOnly),
                export("z", memory: true),
            ], Sample.empty,
            "first-lab.lua:10: error: no checkpoint 'a' of machine 'web'; it is made later, at first-lab.lua:11",
            "first-lab.lua:12: error: checkpoint 'a' of machine 'web' has no memory to export; leave its memory out",
            "first-lab.lua:15: error: checkpoint 'a' of machine 'web' has no memory to export; leave its memory out"),
        WrongInput(
            "places where nothing can be made",
            steps: [held, export("x"), export("out/x"), export("/out/x"), export("lab"), export("odd")],
            found([
                "x": .exists, "out/x": .noParent, "/out/x": .noParent, "lab": .inLab,
                "odd": .unreadable("permission denied"),
            ]),
            "first-lab.lua:11: error: 'x', which the step is to make, exists already; choose another folder, or "
                + "remove it",
            "first-lab.lua:12: error: the folder in which 'out/x' is to be made does not exist; make it first: paths "
                + "begin at the recipe's folder",
            "first-lab.lua:13: error: the folder in which '/out/x' is to be made does not exist; make it first",
            "first-lab.lua:14: error: 'lab', which the step is to make, lies in the lab; choose a folder outside of it",
            "first-lab.lua:15: error: 'odd', which the step is to make, cannot be looked at: permission denied"),
        WrongInput(
            "one place twice", steps: [held, export("x"), export("./y/../x"), export("z")],
            found(["x": .free(path: "/r/x"), "./y/../x": .free(path: "/r/x"), "z": .free(path: "/r/z")]),
            "first-lab.lua:12: error: './y/../x', which the step is to make, is made by the step at first-lab.lua:11 "
                + "already; choose another folder"),
        WrongInput(
            "paths that are none", steps: [held, export(""), export("a\nb")], Sample.empty,
            "first-lab.lua:11: error: the path of the folder to make is empty",
            "first-lab.lua:12: error: the path of the folder to make holds the control character U+000A"),
    ]

    static func used(_ index: Int, _ change: (inout Inventory.Machine) -> Void) -> Inventory {
        var inventory = ForkPlanTests.used
        change(&inventory.machines[index])
        return inventory
    }

    static let existing: [WrongInput] = [
        WrongInput(
            "a machine of nobody's", ForkPlanTests.recipe, used(1) { $0.owner = nil },
            "first-lab.lua:13: error: machine 'twin' exists and was not made by recipe 'first-lab'; choose another "
                + "name, or another lab with --store"),
        WrongInput(
            "a machine of another recipe's", ForkPlanTests.recipe, used(2) { $0.owner?.recipe = "other" },
            "first-lab.lua:13: error: machine 'twin' is forked again, but its fork 'third' reads through its disks; "
                + "make that independent with 'fermata vm promote third', or delete it",
            "first-lab.lua:16: error: machine 'third' exists and was not made by recipe 'first-lab', but by recipe "
                + "'other'; choose another name, or another lab with --store"),
        WrongInput(
            "a fork in use", ForkPlanTests.recipe, used(1) { $0.state = .running },
            "first-lab.lua:13: error: machine 'twin' is running, and a run starts over; wait for the process that "
                + "runs it, or end that one with Ctrl-C"),
        WrongInput(
            "a fork with a checkpoint of nobody's", ForkPlanTests.recipe,
            used(1) { $0.tree.checkpoints[0].owner = nil },
            "first-lab.lua:13: error: machine 'twin' is forked again, but holds checkpoint 'at rest', which the recipe "
                + "did not make; choose another machine name, or another lab with --store"),
        WrongInput(
            "forks of somebody else's", ForkPlanTests.recipe,
            used(0) {
                $0.owner?.definition = "old"
                $0.forks = ["twin", "third", "theirs"]
            },
            "first-lab.lua:3: error: machine 'web' has changed in the recipe and must be made again, but its fork "
                + "'theirs' reads through its disks; make that independent with 'fermata vm promote theirs', or "
                + "delete it"),
        WrongInput(
            "a fork in the trash", ForkPlanTests.recipe, used(1) { $0.discardedForks = ["gone"] },
            "first-lab.lua:13: error: machine 'twin' is forked again, but its fork 'gone', which is in the trash, "
                + "reads through its disks; remove that with 'fermata gc gone'"),
        WrongInput(
            "a machine that forbids checkpoints", ForkPlanTests.recipe, used(0) { $0.allowsCheckpoints = false },
            "first-lab.lua:12: error: machine 'web' forbids checkpoints; allow them first with 'fermata vm set web "
                + "--checkpoints allowed'"),
        WrongInput(
            "a checkpoint of a lab of one machine and its fork",
            Sample.recipe([
                held, .checkpoint("all", of: nil, replace: false, notes: nil), .fork("twin", of: "web", from: "a"),
                .checkpoint("all", of: nil, replace: true, notes: nil),
            ]), Inventory(files: Sample.files, labCheckpoints: [.init(name: "all", parts: [Sample.id(7)])]),
            "first-lab.lua:13: error: the lab has a checkpoint 'all' of machines that this run does not make again; "
                + "choose another name, or delete it with 'fermata checkpoint delete --all'"),
    ]

    @Test func `a fork that the lab's checkpoints hold goes with them`() throws {
        var used = ForkPlanTests.used
        used.labCheckpoints = [.init(name: "all", parts: [Sample.id(2), Sample.id(51)])]
        #expect(throws: Never.self) { try Planner.plan(ForkPlanTests.recipe, with: used) }
    }
}

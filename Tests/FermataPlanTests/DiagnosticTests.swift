// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import FermataPlan
import Hashing
import StorageTestSupport
import Testing

/// A wrong recipe and everything that must be said about it.
struct WrongInput: CustomTestStringConvertible, Sendable {
    let name: String
    let recipe: Recipe
    let inventory: Inventory
    let messages: [String]

    init(_ name: String, _ recipe: Recipe, _ inventory: Inventory = Sample.empty, _ messages: String...) {
        self.name = name
        self.recipe = recipe
        self.inventory = inventory
        self.messages = messages
    }

    init(_ name: String, steps: [Action], _ inventory: Inventory = Sample.empty, _ messages: String...) {
        self.name = name
        recipe = Sample.recipe(steps)
        self.inventory = inventory
        self.messages = messages
    }

    init(_ name: String, machine change: (inout MachineDefinition) -> Void, _ messages: String...) {
        self.name = name
        var machine = Sample.web
        change(&machine)
        recipe = Sample.recipe([], machines: [machine])
        inventory = Sample.empty
        self.messages = messages
    }

    var testDescription: String { name }
}

@Suite struct DiagnosticTests {
    @Test(arguments: steps + together + machines + existing) func `a wrong recipe is told all its mistakes`(
        wrong: WrongInput
    ) {
        let errors = #expect(throws: PlanningErrors.self) {
            try Planner.plan(wrong.recipe, with: wrong.inventory)
        }
        #expect(errors?.diagnostics.map(\.description) == wrong.messages)
    }

    static let second: TimeSpan = .seconds(1)

    static let db: MachineDefinition = MachineDefinition(name: "db", disks: [.init(name: "a", size: .mebibytes(1))])

    static let together: [WrongInput] = [
        WrongInput(
            "what not all machines have",
            Sample.recipe(
                [
                    .revert(nil), .checkpoint("mine", of: "web", replace: false, notes: nil), .apply("mine", of: nil),
                    .checkpoint("both", of: nil, replace: false, notes: nil), .apply("bth", of: nil),
                    .checkpoint("both", of: nil, replace: false, notes: nil),
                    .deleteCheckpoint("both", of: nil, .subtree), .deleteCheckpoint("both", of: "db", .checkpoint),
                    .apply("both", of: nil), .checkpoint("mine", of: nil, replace: false, notes: nil),
                ], machines: [Sample.web, db]), Sample.empty,
            "first-lab.lua:10: error: no checkpoint of the whole lab is left from which all of its machines grew; "
                + "say of which machine",
            "first-lab.lua:12: error: no checkpoint 'mine' of the whole lab; machine 'web' has one of that name: "
                + "say of which machine",
            "first-lab.lua:14: error: no checkpoint 'bth' of the whole lab; did you mean 'both'?",
            "first-lab.lua:15: error: the whole lab has a checkpoint 'both' already; choose another name, or say replace",
            "first-lab.lua:16: error: of the whole lab one checkpoint is deleted, not what grew from it; "
                + "say of which machine",
            "first-lab.lua:18: error: no checkpoint 'both' of the whole lab; machine 'web' has one of that name: "
                + "say of which machine",
            "first-lab.lua:19: error: machine 'web' has a checkpoint 'mine' already, made at first-lab.lua:11; "
                + "choose another name, or say replace"),
        WrongInput(
            "a checkpoint of the lab that stays",
            Sample.recipe([.checkpoint("both", of: nil, replace: false, notes: nil)], machines: [Sample.web, db]),
            Inventory(files: Sample.files, labCheckpoints: [.init(name: "both", parts: [Sample.id(7)])]),
            "first-lab.lua:10: error: the lab has a checkpoint 'both' of machines that this run does not make again; "
                + "choose another name, or delete it with 'fermata checkpoint delete --all'"),
    ]

    static let steps: [WrongInput] = [
        WrongInput(
            "start twice", steps: [.start("web"), .start("web"), .start("web")], Sample.empty,
            "first-lab.lua:11: error: machine 'web' is running already, since first-lab.lua:10; "
                + "shut it down or turn it off first",
            "first-lab.lua:12: error: machine 'web' is running already, since first-lab.lua:11; "
                + "shut it down or turn it off first"),
        WrongInput(
            "turn off what is off", steps: [.turnOff("web")], Sample.empty,
            "first-lab.lua:10: error: TurnOff needs a running machine, and 'web' is off; start it first"),
        WrongInput(
            "shut down what is off", steps: [.shutDown("web", within: second, orElse: .turnOff)], Sample.empty,
            "first-lab.lua:10: error: ShutDown needs a running machine, and 'web' is off; start it first"),
        WrongInput(
            "run on what is off, told once",
            steps: [
                .start("web"), .turnOff("web"), .run("web", .shell("a"), expect: .success, within: second),
                .waitForConsole("web", .plain("a"), within: second),
            ], Sample.empty,
            "first-lab.lua:12: error: Run needs a running machine, and 'web' is off, since first-lab.lua:11; "
                + "start it first"),
        WrongInput(
            "wait on what is off", steps: [.waitForConsole("web", .plain("a"), within: second)], Sample.empty,
            "first-lab.lua:10: error: WaitForConsole needs a running machine, and 'web' is off; start it first"),
        WrongInput(
            "start after the revert to a running checkpoint",
            steps: [
                .start("web"), .checkpoint("a", of: nil, replace: false, notes: nil), .turnOff("web"),
                .revert("web"), .start("web"),
            ], Sample.empty,
            "first-lab.lua:14: error: machine 'web' is running already, since first-lab.lua:13; "
                + "shut it down or turn it off first"),
        WrongInput(
            "run after a revert to the origin",
            steps: [.start("web"), .revert(nil), .run("web", .shell("a"), expect: .success, within: second)],
            Sample.empty,
            "first-lab.lua:12: error: Run needs a running machine, and 'web' is off, since first-lab.lua:11; "
                + "start it first"),
        WrongInput(
            "typing nothing, or a book",
            steps: [
                .start("web"), .type("web", ""), .type("web", String(repeating: "x", count: 64 << 10)),
                .type("web", String(repeating: "x", count: 64 << 10 | 1)), .waitForReboot("web", within: .seconds(0)),
            ], Sample.empty,
            "first-lab.lua:11: error: the text to type is empty",
            "first-lab.lua:13: error: the text to type has 65537 bytes; type at most 64 KiB at once",
            "first-lab.lua:14: error: the time to wait is 0; give it at least 1ms"),
        WrongInput(
            "after an impossible step the machine is what the step makes of it",
            steps: [.resume("web"), .pause("web"), .start("web"), .save("web"), .save("web"), .start("web")],
            Sample.empty,
            "first-lab.lua:10: error: Resume needs a paused machine, and 'web' is off; start it instead",
            "first-lab.lua:12: error: Start needs a machine that is off or saved, and 'web' is paused, since "
                + "first-lab.lua:11; resume it, or turn it off first",
            "first-lab.lua:14: error: machine 'web' is saved already, since first-lab.lua:13; start it first"),
        WrongInput(
            "hardware that changes while the machine is not off",
            steps: [
                .start("web"), .change("web", .init(memory: .mebibytes(512))), .start("web"), .pause("web"),
                .detach("web", disk: "system"), .start("web"), .save("web"),
                .attach("web", .init(name: "data", size: .mebibytes(1))), .change("web", .init(notes: "any state")),
            ], Sample.empty,
            "first-lab.lua:11: error: Change needs a machine that is off, and 'web' is running, since "
                + "first-lab.lua:10; shut it down or turn it off first",
            "first-lab.lua:14: error: Detach needs a machine that is off, and 'web' is paused, since "
                + "first-lab.lua:13; turn it off first",
            "first-lab.lua:17: error: Attach needs a machine that is off, and 'web' is saved, since "
                + "first-lab.lua:16; start it and shut it down first, or turn it off, which discards what was saved"),
        WrongInput(
            "hardware that no machine can have",
            steps: [
                .change("web", .init()), .change("web", .init(memory: ByteSize(bytes: 1000), processors: 0)),
                .change("web", .init(arguments: "a\u{1}", notes: "b\u{2}")),
                .attach("web", .init(name: "a/b", size: ByteSize(bytes: 100))),
                .attach("web", .init(name: "big", size: .gibibytes(3000))),
            ], Sample.empty,
            "first-lab.lua:10: error: there is nothing to change; say memory, processors, arguments or notes",
            "first-lab.lua:11: error: memory of machine 'web' is 1000 B; it must be a multiple of 1 MiB",
            "first-lab.lua:11: error: machine 'web' has 0 processors; give it 1 to 255",
            "first-lab.lua:12: error: the machine's notes hold the control character U+0002; they are lines of text",
            "first-lab.lua:12: error: the kernel arguments of machine 'web' hold the control character U+0001; they "
                + "are one line of text",
            "first-lab.lua:13: error: the name of disk 'a/b' of machine 'web' may hold only letters, digits, '.', "
                + "'_' and '-'",
            "first-lab.lua:13: error: size of disk 'a/b' of machine 'web' is 100 B; it must be a multiple of 512 B",
            "first-lab.lua:14: error: size of disk 'big' of machine 'web' is 3000 GiB, and a VHD holds at most "
                + "2040 GiB"),
        WrongInput(
            "arguments of a machine without a kernel",
            Sample.recipe(
                [.change("db", .init(arguments: "quiet"))],
                machines: [.init(name: "db", disks: [.init(name: "system", size: .mebibytes(1))])]),
            Sample.empty,
            "first-lab.lua:10: error: machine 'db' starts from its first disk, without a kernel that takes arguments; "
                + "give it a kernel where it is defined"),
        WrongInput(
            "disks that are there, and that are not",
            steps: [
                .detach("web", disk: "sytem"), .attach("web", .init(name: "system", size: .mebibytes(1))),
                .attach("web", .init(name: "data", size: .mebibytes(1))), .detach("web", disk: "data"),
                .detach("web", disk: "data"),
            ], Sample.empty,
            "first-lab.lua:10: error: machine 'web' has no disk 'sytem'; did you mean 'system'?",
            "first-lab.lua:11: error: machine 'web' has a disk 'system' already; choose another name, or detach it "
                + "first",
            "first-lab.lua:14: error: machine 'web' has no disk 'data'"),
        WrongInput(
            "a checkpoint's disks come back with it",
            steps: [
                .checkpoint("one", of: nil, replace: false, notes: nil),
                .attach("web", .init(name: "data", size: .mebibytes(1))), .detach("web", disk: "system"),
                .checkpoint("two", of: nil, replace: false, notes: nil), .apply("one", of: nil),
                .detach("web", disk: "data"), .apply("two", of: nil), .detach("web", disk: "system"),
                .detach("web", disk: "data"), .revert(nil), .detach("web", disk: "data"),
            ], Sample.empty,
            "first-lab.lua:15: error: machine 'web' has no disk 'data'",
            "first-lab.lua:17: error: machine 'web' has no disk 'system'"),
        WrongInput(
            "after an unknown checkpoint the machine may have any disks",
            steps: [
                .apply("a", of: nil), .detach("web", disk: "any"),
                .attach("web", .init(name: "system", size: .mebibytes(1))),
            ], Sample.empty,
            "first-lab.lua:10: error: no checkpoint 'a' of machine 'web'"),
        WrongInput(
            "more disks than there is room for",
            steps: (0..<28).map { .attach("web", .init(name: "d\($0)", size: .mebibytes(1))) } + [
                .detach("web", disk: "d0"), .detach("web", disk: "d1"), .detach("web", disk: "d2"),
                .attach("web", .init(name: "d0", size: .mebibytes(1))),
            ], Sample.empty,
            "first-lab.lua:36: error: machine 'web' has 27 disks, and has no room for disk 'd26'; detach one first",
            "first-lab.lua:37: error: machine 'web' has 27 disks, and has no room for disk 'd27'; detach one first"),
        WrongInput(
            "unknown machine", steps: [.start("wbe"), .start("zebra")], Sample.empty,
            "first-lab.lua:10: error: no machine 'wbe' in this recipe; did you mean 'web'?",
            "first-lab.lua:11: error: no machine 'zebra' in this recipe"),
        WrongInput(
            "unknown checkpoint",
            steps: [.checkpoint("clean", of: nil, replace: false, notes: nil), .apply("claen", of: "web")],
            Sample.empty,
            "first-lab.lua:11: error: no checkpoint 'claen' of machine 'web'; did you mean 'clean'?"),
        WrongInput(
            "a checkpoint made later",
            steps: [.apply("clean", of: "web"), .checkpoint("clean", of: nil, replace: false, notes: nil)],
            Sample.empty,
            "first-lab.lua:10: error: no checkpoint 'clean' of machine 'web'; it is made later, at first-lab.lua:11"),
        WrongInput(
            "a checkpoint of an earlier run", steps: [.apply("fixed", of: nil)], Sample.used,
            "first-lab.lua:10: error: no checkpoint 'fixed' of machine 'web'; one of that name exists, but a run "
                + "starts over from the origin and knows only what it made itself"),
        WrongInput(
            "after an unknown checkpoint the machine may be in any state",
            steps: [.apply("a", of: nil), .start("web"), .apply("b", of: nil), .turnOff("web")], Sample.empty,
            "first-lab.lua:10: error: no checkpoint 'a' of machine 'web'",
            "first-lab.lua:12: error: no checkpoint 'b' of machine 'web'"),
        WrongInput(
            "the same checkpoint twice",
            steps: [
                .checkpoint("a", of: nil, replace: false, notes: nil),
                .checkpoint("a", of: "web", replace: false, notes: nil),
            ], Sample.empty,
            "first-lab.lua:11: error: machine 'web' has a checkpoint 'a' already, made at first-lab.lua:10; "
                + "choose another name, or say replace"),
        WrongInput(
            "bad checkpoint names",
            steps: [
                .checkpoint("a/b", of: nil, replace: false, notes: nil),
                .checkpoint("", of: nil, replace: false, notes: "\0"),
                .checkpoint("a\nb", of: nil, replace: false, notes: nil),
            ], Sample.empty,
            "first-lab.lua:10: error: checkpoint name 'a/b' may not hold '/', which separates the names of a path",
            "first-lab.lua:11: error: the checkpoint's notes hold the control character U+0000; "
                + "they are lines of text",
            "first-lab.lua:11: error: checkpoint name '' is empty",
            "first-lab.lua:12: error: checkpoint name 'a\\nb' may not hold control characters"),
        WrongInput(
            "bad patterns",
            steps: [
                .start("web"), .waitForConsole("web", .pattern("(tick"), within: second),
                .waitForConsole("web", .pattern("x*"), within: second),
                .waitForConsole("web", .pattern(""), within: second),
                .waitForConsole("web", .plain(""), within: second),
            ], Sample.empty,
            "first-lab.lua:11: error: the pattern '(tick' is not a regular expression: expected ')'",
            "first-lab.lua:12: error: the pattern 'x*' matches the empty text, so the step would not wait",
            "first-lab.lua:13: error: the pattern to wait for is empty",
            "first-lab.lua:14: error: the text to wait for is empty"),
        WrongInput(
            "bad commands",
            steps: [
                .start("web"), .run("web", .shell(""), expect: .success, within: second),
                .run("web", .arguments([]), expect: .success, within: second),
                .run("web", .arguments(["", "a"]), expect: .success, within: second),
                .run("web", .arguments(["a", "b\0"]), expect: .success, within: second),
                .run("web", .shell("a"), expect: Expectation(exitCode: 256), within: second),
                .run(
                    "web", .shell("a"), expect: Expectation(exitCode: -1, contains: [""], lacks: [""]), within: second),
            ], Sample.empty,
            "first-lab.lua:11: error: the command to run is empty",
            "first-lab.lua:12: error: the command to run is empty",
            "first-lab.lua:13: error: the command to run is empty",
            "first-lab.lua:14: error: the command to run holds a NUL character",
            "first-lab.lua:15: error: the expected exit code is 256; give it 0 to 255",
            "first-lab.lua:16: error: the expected exit code is -1; give it 0 to 255",
            "first-lab.lua:16: error: a text that the output must contain is empty",
            "first-lab.lua:16: error: a text that the output must not contain is empty"),
        WrongInput(
            "bad durations",
            steps: [
                .start("web"), .waitForConsole("web", .plain("a"), within: .milliseconds(0)),
                .run("web", .shell("a"), expect: .success, within: .hours(.max)),
                .shutDown("web", within: .milliseconds(0), orElse: .fail),
            ], Sample.empty,
            "first-lab.lua:11: error: the time to wait is 0; give it at least 1ms",
            "first-lab.lua:12: error: the time to wait is longer than a year",
            "first-lab.lua:13: error: the time to wait is 0; give it at least 1ms"),
    ]

    static let machines: [WrongInput] = [
        WrongInput(
            "bad machine names", machine: { $0.name = "w b" },
            "first-lab.lua:3: error: machine name 'w b' may hold only letters, digits, '.', '_' and '-'"),
        WrongInput(
            "the reserved name", machine: { $0.name = "Boot" },
            "first-lab.lua:3: error: machine name 'Boot' is reserved for the lab's boot files"),
        WrongInput(
            "odd memory", machine: { $0.memory = ByteSize(bytes: 1_000_000) },
            "first-lab.lua:3: error: memory of machine 'web' is 1000000 B; it must be a multiple of 1 MiB"),
        WrongInput(
            "no memory, no processors",
            machine: {
                $0.memory = ByteSize(bytes: 0)
                $0.processors = 0
            },
            "first-lab.lua:3: error: memory of machine 'web' is 0; give it at least 1 MiB",
            "first-lab.lua:3: error: machine 'web' has 0 processors; give it 1 to 255"),
        WrongInput(
            "bad disks",
            machine: {
                $0.disks = [
                    .init(name: "a", size: ByteSize(bytes: 0)), .init(name: "a", size: ByteSize(bytes: 1000)),
                    .init(name: "-", size: .gibibytes(2041)),
                    .init(name: "most", size: .gibibytes(64 << 10), format: .vhdx),
                    .init(name: "more", size: .gibibytes(64 << 10 | 1), format: .vhdx),
                ]
            },
            "first-lab.lua:3: error: size of disk 'a' of machine 'web' is 0; give it at least 512 B",
            "first-lab.lua:3: error: two disks of machine 'web' are named 'a'; give each its own name",
            "first-lab.lua:3: error: size of disk 'a' of machine 'web' is 1000 B; it must be a multiple of 512 B",
            "first-lab.lua:3: error: the name of disk '-' of machine 'web' must begin with a letter or digit",
            "first-lab.lua:3: error: size of disk '-' of machine 'web' is 2041 GiB, and a VHD holds at most 2040 GiB",
            "first-lab.lua:3: error: size of disk 'more' of machine 'web' is 65537 GiB, "
                + "and a VHDX holds at most 64 TiB"),
        WrongInput(
            "missing boot files", machine: { $0.boot = .init(kernel: "guest/vmlinux", initrd: "/no/initrd") },
            "first-lab.lua:3: error: kernel 'guest/vmlinux' of machine 'web' does not exist; "
                + "paths are relative to the recipe's folder",
            "first-lab.lua:3: error: initrd '/no/initrd' of machine 'web' does not exist"),
        WrongInput(
            "empty and NUL", machine: { $0.boot = .init(kernel: "", arguments: "a\0") },
            "first-lab.lua:3: error: the kernel's path of machine 'web' is empty",
            "first-lab.lua:3: error: the kernel arguments of machine 'web' hold the control character U+0000; "
                + "they are one line of text"),
        WrongInput(
            "arguments of two lines", machine: { $0.boot?.arguments = "quiet\npanic=-1" },
            "first-lab.lua:3: error: the kernel arguments of machine 'web' hold the control character U+000A; "
                + "they are one line of text"),
        WrongInput(
            "more than there is",
            machine: {
                $0.memory = .gibibytes(17 << 10)
                $0.disks = (0..<28).map { .init(name: "d\($0)", size: .mebibytes(1)) }
            },
            "first-lab.lua:3: error: memory of machine 'web' is 17 TiB; give it at most 16 TiB",
            "first-lab.lua:3: error: machine 'web' has 28 disks; give it at most 27"),
        WrongInput(
            "boot files that are none", Sample.recipe([]),
            Inventory(files: ["guest/vmlinuz": .notAFile, "guest/initrd.gz": .unreadable("permission denied")]),
            "first-lab.lua:3: error: kernel 'guest/vmlinuz' of machine 'web' is not a file",
            "first-lab.lua:3: error: initrd 'guest/initrd.gz' of machine 'web' cannot be read: permission denied"),
        WrongInput(
            "one name twice", Sample.recipe([], machines: [Sample.web, Sample.web]), Sample.empty,
            "first-lab.lua:3: error: two machines are named 'web', the first at first-lab.lua:3; "
                + "give each its own name"),
        WrongInput(
            "no machine at all", Recipe(name: "", steps: [Step(.revert(nil)), Step(.start("web"))]), Sample.empty,
            "error: the recipe's name '' is empty",
            "step 1: error: Revert needs a machine, and the recipe defines none",
            "step 2: error: no machine 'web' in this recipe"),
        WrongInput(
            "a warning between errors",
            Sample.recipe([], machines: [MachineDefinition(name: "web"), MachineDefinition(name: "web")]),
            Sample.empty,
            "warning: machine 'web' has neither boot files nor disks, so it has nothing to start from",
            "error: two machines are named 'web'; give each its own name",
            "warning: machine 'web' has neither boot files nor disks, so it has nothing to start from"),
    ]

    static func disked(_ name: MachineName) -> MachineDefinition {
        MachineDefinition(name: name, disks: [.init(name: "a", size: .mebibytes(1))])
    }

    static func used(_ change: (inout Inventory.Machine) -> Void) -> Inventory {
        var inventory = Sample.used
        change(&inventory.machines[0])
        return inventory
    }

    static let makesMine: [Action] = [
        .checkpoint("mine", of: "web", replace: true, notes: nil),
        .checkpoint("mine", of: nil, replace: true, notes: nil),
    ]

    static let existing: [WrongInput] = [
        WrongInput(
            "a machine of nobody's", steps: [.start("web")], used { $0.owner = nil },
            "first-lab.lua:3: error: machine 'web' exists and was not made by recipe 'first-lab'; choose another name, "
                + "or another lab with --store"),
        WrongInput(
            "a machine of another recipe's", steps: [.start("web")], used { $0.owner?.recipe = "other" },
            "first-lab.lua:3: error: machine 'web' exists and was not made by recipe 'first-lab', but by recipe "
                + "'other'; choose another name, or another lab with --store"),
        WrongInput(
            "a checkpoint of nobody's", steps: makesMine, Sample.used,
            "first-lab.lua:10: error: checkpoint 'mine' of machine 'web' exists and was not made by recipe "
                + "'first-lab'; choose another name, or another lab with --store"),
        WrongInput(
            "a running machine", steps: [], used { $0.state = .running },
            "first-lab.lua:3: error: machine 'web' is running, and a run starts over; wait for the process "
                + "that runs it, or end that one with Ctrl-C"),
        WrongInput(
            "a paused machine", steps: [], used { $0.state = .paused },
            "first-lab.lua:3: error: machine 'web' is paused, and a run starts over; wait for the process "
                + "that runs it, or end that one with Ctrl-C"),
        WrongInput(
            "a changed machine with a checkpoint of nobody's", steps: [], used { $0.owner?.definition = "old" },
            "first-lab.lua:3: error: machine 'web' has changed in the recipe and must be made again, but holds "
                + "checkpoint 'mine', which the recipe did not make; choose another machine name, "
                + "or another lab with --store"),
        WrongInput(
            "a lost origin and checkpoints of others", steps: [],
            used {
                $0.tree.checkpoints.removeAll(where: \.isOrigin)
                $0.tree.checkpoints[0].owner = RecipeOwnership(recipe: "other", definition: "")
            },
            "first-lab.lua:3: error: machine 'web' has lost its origin and must be made again, but holds checkpoint "
                + "'clean' and 1 more, which the recipe did not make; choose another machine name, "
                + "or another lab with --store"),
    ]

    @Test func `all mistakes of a recipe come in the order of its source`() throws {
        let all = DiagnosticTests.steps.flatMap(\.recipe.steps).map(\.action)
        var machine = Sample.web
        machine.processors = -1
        let recipe = Sample.recipe(all, machines: [machine, machine])
        let errors = #expect(throws: PlanningErrors.self) { try Planner.plan(recipe, with: Inventory()) }
        try Golden.check(errors?.description ?? "", "FermataPlan/all-mistakes.txt")
        let lines = (errors?.diagnostics ?? []).compactMap(\.location?.line)
        #expect(lines == lines.sorted())
    }

    @Test func `a diagnostic as JSON leaves out what is absent`() {
        let short = Diagnostic(.warning, .space, at: nil, "little")
        #expect(short.jsonValue == ["severity": "warning", "code": "space", "message": "little"])
        let long = Diagnostic(.error, .wrongState, at: Sample.line(1), "off", suggestion: "start it", step: 2)
        #expect(
            long.jsonValue == [
                "severity": "error", "code": "wrongState", "message": "off", "suggestion": "start it", "step": 2,
                "at": ["file": "first-lab.lua", "line": 1],
            ])
    }

    @Test func `text that would spoil the terminal is escaped and cut`() {
        let name = MachineName("\u{1B}[31m" + String(repeating: "x", count: 500))
        let errors = #expect(throws: PlanningErrors.self) {
            try Planner.plan(Sample.recipe([.start(name)]), with: Sample.empty)
        }
        let message = errors?.description ?? ""
        #expect(message.contains("'\\u{1B}[31mxxx"))
        #expect(message.count < 200 && !message.contains("\u{1B}"))
    }
}

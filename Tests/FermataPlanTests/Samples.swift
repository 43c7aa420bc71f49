// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import FermataPlan
import Hashing

/// What the tests plan: a lab of one machine, and inventories for it.
enum Sample {
    static let kernel: Digest = SHA256.digest(of: "kernel".utf8)
    static let initrd: Digest = SHA256.digest(of: "initrd".utf8)

    static let web: MachineDefinition = MachineDefinition(
        name: "web",
        boot: .init(kernel: "guest/vmlinuz", initrd: "guest/initrd.gz", arguments: "console=ttyS0"),
        disks: [.init(name: "system", size: .mebibytes(64))], at: line(3))

    static let files: [String: Inventory.File] = [
        "guest/vmlinuz": .file(digest: kernel, size: .mebibytes(8)),
        "guest/initrd.gz": .file(digest: initrd, size: .mebibytes(4)),
    ]

    static func line(_ line: Int) -> SourceLocation {
        SourceLocation(file: "first-lab.lua", line: line)
    }

    /// A recipe of one machine whose steps stand on the lines from 10 on.
    static func recipe(_ actions: [Action], machines: [MachineDefinition] = [web]) -> Recipe {
        Recipe(
            name: "first-lab", machines: machines,
            steps: actions.enumerated().map { Step($0.element, at: line(10 + $0.offset)) })
    }

    /// Every word once or more, two branches.
    static let firstLab: Recipe = recipe([
        .start("web"),
        .waitForConsole("web", .plain("ready"), within: .seconds(60)),
        .run("web", .shell("echo hello > /srv/index.html"), expect: .success, within: .seconds(60)),
        .checkpoint("clean", of: nil, replace: false, notes: "before anything was destroyed"),
        .run("web", .arguments(["rm", "-rf", "/srv"]), expect: Expectation(exitCode: 1), within: .seconds(5)),
        .revert("web"),
        .run("web", .shell("cat /srv/index.html"), expect: Expectation(contains: ["hello"]), within: .seconds(60)),
        .checkpoint("fixed", of: "web", replace: false, notes: nil),
        .apply("clean", of: "web"),
        .waitForConsole("web", .pattern("tick [0-9]+"), within: .milliseconds(1500)),
        .shutDown("web", within: .minutes(2), orElse: .turnOff),
        .checkpoint("stopped", of: "web", replace: false, notes: nil),
        .start("web"),
        .pause("web"),
        .checkpoint("paused", of: "web", replace: false, notes: nil),
        .resume("web"),
        .type("web", "reboot\n"),
        .waitForReboot("web", within: .minutes(2)),
        .save("web"),
        .start("web"),
        .reset("web"),
        .turnOff("web"),
        .change("web", .init(memory: .mebibytes(512), processors: 2, arguments: "quiet", notes: "grown")),
        .attach("web", .init(name: "data", size: .mebibytes(8), format: .vhdx)),
        .detach("web", disk: "system"),
        .apply("fixed", of: nil),
    ])

    /// The ownership with which a run of a recipe named `first-lab` makes the machine.
    static func owner(of definition: MachineDefinition = web) -> RecipeOwnership {
        let digest = definition.digest(files: ["guest/vmlinuz": kernel, "guest/initrd.gz": initrd])
        return RecipeOwnership(recipe: "first-lab", definition: digest?.description ?? "")
    }

    static func id(_ number: UInt8) -> GUID {
        GUID(bytes: [UInt8](repeating: 0, count: 15) + [number]) ?? .random()
    }

    static func checkpoint(
        _ number: UInt8, _ name: CheckpointName, parent: UInt8?, owner: RecipeOwnership? = owner(),
        isOrigin: Bool = false, hasMemory: Bool = true
    ) -> CheckpointTree.Checkpoint {
        CheckpointTree.Checkpoint(
            id: id(number), name: name, parent: parent.map(id), kind: isOrigin ? .diskOnly : .standard,
            hasMemory: hasMemory && !isOrigin, time: Int64(number), owner: owner, isOrigin: isOrigin)
    }

    /// The lab as a run of the first lab leaves it, with one checkpoint that somebody made by hand.
    static let used: Inventory = Inventory(
        machines: [
            Inventory.Machine(
                name: "web", id: id(100), state: .off, owner: owner(),
                tree: CheckpointTree(
                    checkpoints: [
                        checkpoint(1, "origin", parent: nil, isOrigin: true),
                        checkpoint(2, "clean", parent: 1),
                        checkpoint(3, "fixed", parent: 2),
                        checkpoint(4, "mine", parent: 3, owner: nil),
                        checkpoint(5, "stopped", parent: 2, hasMemory: false),
                        checkpoint(6, "failed: 7 Run", parent: 2),
                    ], now: id(4)))
        ], files: files)

    static let empty: Inventory = Inventory(files: files)
}

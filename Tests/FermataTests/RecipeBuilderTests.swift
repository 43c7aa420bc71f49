// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import Fermata
import FermataModel
import FermataPlan
import Testing

import struct FermataModel.Expectation
import struct FermataModel.SourceLocation

@Suite struct RecipeBuilderTests {
    static let web: Machine = Machine("web") {
        Memory(.mebibytes(256))
        Processors(1)
        Boot(.kernel("guest/vmlinuz", initrd: "guest/initrd.gz", arguments: "console=ttyS0"))
        Disk("system", .mebibytes(64))
    }

    @Test func `every word becomes the step that it names`() {
        let web = RecipeBuilderTests.web
        let third = Fork("third", of: web)
        let lab = Recipe("first-lab") {
            web
            Start(web)
            WaitForConsole(web, "ready", within: .seconds(60))
            WaitForConsole(web, pattern: "tick [0-9]+")
            Checkpoint("clean")
            Checkpoint("x", of: web, replace: true, notes: "why")
            Run(web, "cat a", expect: .output(contains: "hello"), within: .seconds(5))
            Run(web, ["rm", "-rf", "/srv"])
            Revert(web)
            Revert()
            Apply("clean", of: web)
            Apply("clean")
            ShutDown(web, within: .minutes(1), orElse: .turnOff)
            Pause(web)
            Reset(web)
            Resume(web)
            WaitForReboot(web, within: .minutes(2))
            WaitForReboot(web)
            Type(web, "root\n")
            Save(web)
            Start(web)
            ShutDown(web)
            TurnOff(web)
            Change(web, arguments: "quiet", notes: "grown") {
                Memory(.mebibytes(128))
                for count in 1...2 { Processors(count) }
                if web.name == "web" { Memory(.mebibytes(512)) }
            }
            Change(web, notes: "")
            Attach(web, "data", size: .mebibytes(8), format: .vhdx)
            Detach(web, "system")
            Checkpoint("disks", kind: .diskOnly)
            ExportCheckpoint("clean", of: web, to: "out", flattened: true, memory: true)
            ExportCheckpoint("x", of: web, to: "/out")
            Fork("twin", of: web, from: "clean")
            third
            Start(third.name)
        }
        let expected = Recipe(
            name: "first-lab",
            machines: [
                MachineDefinition(
                    name: "web", memory: .mebibytes(256), processors: 1,
                    boot: .init(kernel: "guest/vmlinuz", initrd: "guest/initrd.gz", arguments: "console=ttyS0"),
                    disks: [.init(name: "system", size: .mebibytes(64))])
            ],
            steps: [
                .start("web"),
                .waitForConsole("web", .plain("ready"), within: .seconds(60)),
                .waitForConsole("web", .pattern("tick [0-9]+"), within: .seconds(60)),
                .checkpoint("clean", of: nil, replace: false, notes: nil),
                .checkpoint("x", of: "web", replace: true, notes: "why"),
                .run("web", .shell("cat a"), expect: Expectation(contains: ["hello"]), within: .seconds(5)),
                .run("web", .arguments(["rm", "-rf", "/srv"]), expect: .success, within: .seconds(60)),
                .revert("web"),
                .revert(nil),
                .apply("clean", of: "web"),
                .apply("clean", of: nil),
                .shutDown("web", within: .minutes(1), orElse: .turnOff),
                .pause("web"),
                .reset("web"),
                .resume("web"),
                .waitForReboot("web", within: .seconds(120)),
                .waitForReboot("web", within: .seconds(60)),
                .type("web", "root\n"),
                .save("web"),
                .start("web"),
                .shutDown("web", within: .seconds(60), orElse: .fail),
                .turnOff("web"),
                .change("web", .init(memory: .mebibytes(512), processors: 2, arguments: "quiet", notes: "grown")),
                .change("web", .init(notes: "")),
                .attach("web", .init(name: "data", size: .mebibytes(8), format: .vhdx)),
                .detach("web", disk: "system"),
                .checkpoint("disks", of: nil, replace: false, notes: nil, kind: .diskOnly),
                .exportCheckpoint("clean", of: "web", to: "out", flattened: true, memory: true),
                .exportCheckpoint("x", of: "web", to: "/out", flattened: false, memory: false),
                .fork("twin", of: "web", from: "clean"),
                .fork("third", of: "web", from: nil),
                .start("third"),
            ].map { Step($0) })
        #expect(lab.withoutLocations == expected)
    }

    @Test func `a machine's name does as well as the machine`() {
        let web = RecipeBuilderTests.web
        let byMachine = Recipe("lab") {
            Start(web)
            ShutDown(web, within: .seconds(1), orElse: .turnOff)
            TurnOff(web)
            Pause(web)
            Resume(web)
            Save(web)
            Reset(web)
            WaitForReboot(web, within: .seconds(6))
            Type(web, "a")
            WaitForConsole(web, "a", within: .seconds(2))
            WaitForConsole(web, pattern: "a", within: .seconds(3))
            Run(web, "a", expect: .exitCode(1), within: .seconds(4))
            Run(web, ["a"], expect: .exitCode(2), within: .seconds(5))
            Checkpoint("a", of: web, kind: .diskOnly, replace: true, notes: "b")
            ExportCheckpoint("a", of: web, to: "b", memory: true)
            Fork("b", of: web, from: "a")
            Revert(web)
            Apply("a", of: web)
            Change(web, arguments: "a") { Processors(2) }
            Attach(web, "a", size: .mebibytes(1))
            Detach(web, "a")
        }
        let byName = Recipe("lab") {
            Start("web")
            ShutDown("web", within: .seconds(1), orElse: .turnOff)
            TurnOff("web")
            Pause("web")
            Resume("web")
            Save("web")
            Reset("web")
            WaitForReboot("web", within: .seconds(6))
            Type("web", "a")
            WaitForConsole("web", "a", within: .seconds(2))
            WaitForConsole("web", pattern: "a", within: .seconds(3))
            Run("web", "a", expect: .exitCode(1), within: .seconds(4))
            Run("web", ["a"], expect: .exitCode(2), within: .seconds(5))
            Checkpoint("a", of: "web", kind: .diskOnly, replace: true, notes: "b")
            ExportCheckpoint("a", of: "web", to: "b", memory: true)
            Fork("b", of: "web", from: "a")
            Revert("web")
            Apply("a", of: "web")
            Change("web", arguments: "a") { Processors(2) }
            Attach("web", "a", size: .mebibytes(1))
            Detach("web", "a")
        }
        let actions: [Action] = [
            .start("web"),
            .shutDown("web", within: .seconds(1), orElse: .turnOff),
            .turnOff("web"),
            .pause("web"),
            .resume("web"),
            .save("web"),
            .reset("web"),
            .waitForReboot("web", within: .seconds(6)),
            .type("web", "a"),
            .waitForConsole("web", .plain("a"), within: .seconds(2)),
            .waitForConsole("web", .pattern("a"), within: .seconds(3)),
            .run("web", .shell("a"), expect: Expectation(exitCode: 1), within: .seconds(4)),
            .run("web", .arguments(["a"]), expect: Expectation(exitCode: 2), within: .seconds(5)),
            .checkpoint("a", of: "web", replace: true, notes: "b", kind: .diskOnly),
            .exportCheckpoint("a", of: "web", to: "b", flattened: false, memory: true),
            .fork("b", of: "web", from: "a"),
            .revert("web"),
            .apply("a", of: "web"),
            .change("web", .init(processors: 2, arguments: "a")),
            .attach("web", .init(name: "a", size: .mebibytes(1))),
            .detach("web", disk: "a"),
        ]
        #expect(byMachine.steps.map(\.action) == actions)
        #expect(byName.steps.map(\.action) == actions)
    }

    @Test func `machines and steps know the line on which they stand`() {
        let first: Int = #line
        let lab = Recipe("lab") {
            Machine("a")
            Start("a")

            Run(
                "a", "true")
        }
        #expect(lab.machines.map(\.at) == [SourceLocation(file: #fileID, line: first + 2)])
        #expect(lab.steps.map(\.at?.line) == [first + 3, first + 5])
        #expect(lab.steps.allSatisfy { $0.at?.file == "FermataTests/RecipeBuilderTests.swift" })
    }

    @Test(arguments: [true, false]) func `Swift's own control flow works`(thorough: Bool) {
        let names: [CheckpointName] = ["one", "two"]
        let spare: Machine? = thorough ? Machine("spare") : nil
        let ending: [any RecipeComponent] = [Checkpoint("end"), TurnOff("web")]
        let lab = Recipe("lab") {
            RecipeBuilderTests.web
            spare
            boot("web")
            for name in names {
                Run("web", "make \(name)")
                Checkpoint(name)
            }
            if thorough {
                Run("web", "check")
            }
            if thorough {
                ShutDown("web")
            } else {
                TurnOff("web")
            }
            switch names.count {
            case 2: Start("web")
            default: Revert()
            }
            [TurnOff("web"), TurnOff("web")]
            ending
        }
        let words = lab.steps.map(\.action.word)
        let middle = thorough ? ["Run", "ShutDown"] : ["TurnOff"]
        #expect(
            words
                == ["Start", "WaitForConsole", "Run", "Checkpoint", "Run", "Checkpoint"] + middle + [
                    "Start", "TurnOff", "TurnOff", "Checkpoint", "TurnOff",
                ])
        #expect(lab.machines.map(\.name) == (thorough ? ["web", "spare"] : ["web"]))
    }

    @RecipeBuilder private func boot(_ machine: MachineName) -> [RecipePart] {
        Start(machine)
        WaitForConsole(machine, "ready")
    }

    @Test func `hardware may depend on conditions, and the last word counts`() {
        func machine(large: Bool) -> MachineDefinition {
            Machine("a") {
                Memory(.mebibytes(64))
                if large {
                    Memory(.gibibytes(1))
                    Processors(2)
                }
                if large { Network() }
                if large { Clock(.host) }
                for number in 1...2 {
                    Disk("disk\(number)", .mebibytes(8))
                }
            }.definition
        }
        #expect(machine(large: true).memory == .gibibytes(1))
        #expect(machine(large: true).processors == 2)
        #expect(machine(large: true).hasNetwork && !machine(large: false).hasNetwork)
        #expect(machine(large: true).clock == .host && machine(large: false).clock == .continue)
        #expect(machine(large: false).memory == .mebibytes(64))
        #expect(machine(large: false).disks.map(\.name) == ["disk1", "disk2"])
        #expect(Machine("plain").definition == MachineDefinition(name: "plain", at: Machine("plain").definition.at))
    }

    @Test func `expectations read as sentences`() {
        let all: [Expectation] = [
            .output(contains: "a", "b"), .output(lacks: "a", exitCode: 2), .output(equals: "a"), .exitCode(3), .success,
        ]
        #expect(
            all == [
                Expectation(contains: ["a", "b"]), Expectation(exitCode: 2, lacks: ["a"]), Expectation(equals: "a"),
                Expectation(exitCode: 3), Expectation(),
            ])
    }

    @Test func `a recipe's JSON gives the recipe back, locations included`() throws {
        #expect(try Recipe(json: LargeRecipe.lab.json) == LargeRecipe.lab)
        #expect(LargeRecipe.lab.steps.count == 200)
    }

    @Test func `a large recipe has a plan`() throws {
        let plan = try Planner.plan(LargeRecipe.lab, with: Inventory())
        #expect(plan.operations.count { $0.step != nil } == 200)
    }
}

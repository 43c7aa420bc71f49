// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import Fermata
import FermataLua
import Foundation
import Testing

import struct FermataModel.Expectation

/// Each word in both spellings: what Lua records is what the result builder makes.
@Suite struct WordTests {
    static let web: Machine = Machine("web")

    /// A line of Lua, and the step that it stands for in Swift.
    struct Pair: CustomTestStringConvertible {
        let lua: String
        let swift: [RecipePart]

        init(_ lua: String, _ swift: some RecipeComponent) {
            self.lua = lua
            self.swift = swift.parts
        }

        var testDescription: String { lua }
    }

    /// The examples of the vocabulary's table, spelled in Swift as they stand there.
    static let examples: [String: [RecipePart]] = [
        "Start": Start(web).parts,
        "ShutDown": ShutDown(web, within: .seconds(30), orElse: .turnOff).parts,
        "TurnOff": TurnOff(web).parts,
        "Pause": Pause(web).parts,
        "Resume": Resume(web).parts,
        "Save": Save(web).parts,
        "Reset": Reset(web).parts,
        "WaitForReboot": WaitForReboot(web, within: .minutes(2)).parts,
        "Checkpoint": Checkpoint("clean", of: web, notes: "freshly booted").parts,
        "Revert": Revert(web).parts,
        "Apply": Apply("clean", of: web).parts,
        "DeleteCheckpoint": DeleteCheckpoint("clean", of: web, scope: .subtree).parts,
        "RenameCheckpoint": RenameCheckpoint("clean", of: web, to: "fresh").parts,
        "ExportCheckpoint": ExportCheckpoint("clean", of: web, to: "clean-web", flattened: true).parts,
        "Fork": Fork("twin", of: web, from: "clean").parts,
        "Run": Run(web, "cat index.html", expect: .output(contains: "hello")).parts,
        "WaitForConsole": WaitForConsole(web, "ready", within: .seconds(60)).parts,
        "Type": Type(web, "root\n").parts,
        "Change": Change(web, notes: "grown") { Memory(.mebibytes(512)) }.parts,
        "Attach": Attach(web, "data", size: .mebibytes(8), format: .vhdx).parts,
        "Detach": Detach(web, "data").parts,
    ]

    static let pairs: [Pair] = [
        Pair(#"web:shut_down()"#, ShutDown(web)),
        Pair(#"web:shut_down { within = "2m", or_else = "fail" }"#, ShutDown(web, within: .minutes(2))),
        Pair(#"web:shut_down({ or_else = "turn_off" })"#, ShutDown(web, orElse: .turnOff)),
        Pair(#"web:wait_for_reboot()"#, WaitForReboot(web)),
        Pair(#"web:wait_for_reboot { within = "5s" }"#, WaitForReboot(web, within: .seconds(5))),
        Pair(#"web:type("ls\n")"#, Type(web, "ls\n")),
        Pair(#"web:type { "\3" }"#, Type(web, "\u{3}")),
        Pair(#"web:wait_for_console "ready""#, WaitForConsole(web, "ready")),
        Pair(
            #"web:wait_for_console { "ready", within = "1500ms" }"#,
            WaitForConsole(web, "ready", within: .milliseconds(1500))),
        Pair(#"web:wait_for_console { pattern = "[a-z]+" }"#, WaitForConsole(web, pattern: "[a-z]+")),
        Pair(
            #"web:wait_for_console(nil, { pattern = "x", within = "1h" })"#,
            WaitForConsole(web, pattern: "x", within: .hours(1))),
        Pair(#"web:run "ls""#, Run(web, "ls")),
        Pair(#"web:run("ls")"#, Run(web, "ls")),
        Pair(#"web:run("ls", { within = "5s" })"#, Run(web, "ls", within: .seconds(5))),
        Pair(#"web:run { "ls", "-l", "a b" }"#, Run(web, ["ls", "-l", "a b"])),
        Pair(#"web:run { "ls", within = "5s" }"#, Run(web, ["ls"], within: .seconds(5))),
        Pair(#"web:run({ "ls" }, { expect = { exit_code = 2 } })"#, Run(web, ["ls"], expect: .exitCode(2))),
        Pair(
            #"web:run("ls", { expect = { contains = { "a", "b" }, lacks = "c", equals = "ab", exit_code = 0 } })"#,
            Run(web, "ls", expect: Expectation(contains: ["a", "b"], lacks: ["c"], equals: "ab"))),
        Pair(#"web:run("ls", { expect = { lacks = { "a" } } })"#, Run(web, "ls", expect: .output(lacks: "a"))),
        Pair(#"web:run("ls", { expect = {} })"#, Run(web, "ls", expect: .success)),
        Pair(#"checkpoint "clean""#, Checkpoint("clean")),
        Pair(#"checkpoint { "clean", replace = true }"#, Checkpoint("clean", replace: true)),
        Pair(
            #"checkpoint("clean", { notes = "n", replace = false })"#,
            Checkpoint("clean", notes: "n")),
        Pair(#"web:checkpoint "clean""#, Checkpoint("clean", of: web)),
        Pair(#"web:checkpoint("x", { replace = true })"#, Checkpoint("x", of: web, replace: true)),
        Pair("revert()", Revert()),
        Pair(#"apply "clean""#, Apply("clean")),
        Pair(#"web:apply("clean", nil)"#, Apply("clean", of: web)),
        Pair(#"web:apply { "clean" }"#, Apply("clean", of: web)),
        Pair(#"delete_checkpoint "clean""#, DeleteCheckpoint("clean")),
        Pair(
            #"web:delete_checkpoint { "clean", scope = "children" }"#,
            DeleteCheckpoint("clean", of: web, scope: .children)),
        Pair(#"rename_checkpoint("clean", { to = "fresh" })"#, RenameCheckpoint("clean", to: "fresh")),
        Pair(#"checkpoint { "clean", kind = "disk-only" }"#, Checkpoint("clean", kind: .diskOnly)),
        Pair(#"web:checkpoint("clean", { kind = "standard" })"#, Checkpoint("clean", of: web)),
        Pair(#"web:export_checkpoint { "clean", to = "x" }"#, ExportCheckpoint("clean", of: web, to: "x")),
        Pair(
            #"web:export_checkpoint("clean", { to = "/x/y", flattened = false, memory = true })"#,
            ExportCheckpoint("clean", of: web, to: "/x/y", memory: true)),
        Pair(#"web:fork "twin""#, Fork("twin", of: web)),
        Pair(#"web:fork { "twin", from = "clean" }"#, Fork("twin", of: web, from: "clean")),
        Pair("web:change()", Change(web)),
        Pair(
            #"web:change { memory = "512M", processors = 2, arguments = "quiet" }"#,
            Change(web, arguments: "quiet") {
                Memory(.mebibytes(512))
                Processors(2)
            }),
        Pair(#"web:change({ notes = "" })"#, Change(web, notes: "")),
        Pair(#"web:attach("data", { size = 8 << 20 })"#, Attach(web, "data", size: .mebibytes(8))),
        Pair(#"web:attach { "data", size = "8M", format = "vhd" }"#, Attach(web, "data", size: .mebibytes(8))),
        Pair(#"web:detach { "data" }"#, Detach(web, "data")),
    ]

    private func steps(_ parts: [RecipePart]) -> [Step] {
        Recipe("") { parts }.withoutLocations.steps
    }

    @Test(arguments: pairs) func `Lua records the step that Swift makes`(pair: Pair) throws {
        let recipe = try recorded(pair.lua).withoutLocations
        #expect(recipe.steps == steps(pair.swift))
        #expect(recipe.steps.count == 1)
    }

    @Test(arguments: Vocabulary.steps) func `the table's two examples are one step`(word: Word) throws {
        let swift = try #require(Self.examples[word.swift])
        #expect(try recorded(word.luaExample).withoutLocations.steps == steps(swift))
        // The Swift above is the table's, letter by letter.
        let source = try String(contentsOfFile: #filePath, encoding: .utf8)
        #expect(source.contains("\"\(word.swift)\": \(word.swiftExample).parts,"))
    }

    @Test func `the table's examples of hardware are one definition`() throws {
        let examples = Vocabulary.words.filter { $0.subject == .definition && $0.swift != "Machine" }
        let fields = examples.map(\.luaExample).joined(separator: ", ")
        let recipe = try recorded("machine \"db\" { \(fields) }")
        let swift = Machine("db") {
            Memory(.mebibytes(256))
            Processors(2)
            Boot(.kernel("vmlinuz", initrd: "initrd.gz", arguments: "console=ttyS0"))
            Disk("system", .mebibytes(64), format: .vhdx)
            Network()
            Clock(.host)
        }
        #expect(recipe.withoutLocations.machines.last == Recipe("") { swift }.withoutLocations.machines.last)
        let source = try String(contentsOfFile: #filePath, encoding: .utf8)
        for word in examples { #expect(source.contains("            \(word.swiftExample)\n")) }
        let machine = try #require(Vocabulary.word("Machine"))
        #expect(try LuaRecorder.record(source: machine.luaExample, chunkName: "x").machines.map(\.name) == ["web"])
    }

    @Test func `every form of a machine is the same machine`() throws {
        let forms = [
            #"machine "db" { disks = { disk { "d", size = "1M", format = "vhd" } }, memory = "1G" }"#,
            #"machine("db", { disks = { disk("d", { size = 1048576 }) }, memory = 1 << 30 })"#,
            #"local db = machine("db"); db { memory = "1024MiB", disks = { disk { "d", size = "1024K" } } }"#,
            #"machine "db" { network = false, disks = { disk { "d", size = "1M" } }, memory = "1G" }"#,
            "local size = { size = '1048576' }\nmachine 'db' { memory = 2^30, disks = { disk('d', size) } }",
        ]
        let swift = Machine("db") {
            Memory(.gibibytes(1))
            Disk("d", .mebibytes(1))
        }
        for form in forms {
            let machines = try recorded(form).withoutLocations.machines
            #expect(machines.last == Recipe("") { swift }.withoutLocations.machines.last, "\(form)")
            #expect(machines.count == 2)
        }
        let kernels = [#"kernel "k""#, #"kernel { "k" }"#, #"kernel("k")"#, #"kernel("k", {})"#]
        for kernel in kernels {
            #expect(try recorded("machine 'db' { boot = \(kernel) }").machines.last?.boot == .kernel("k"), "\(kernel)")
        }
    }

    @Test func `a fork is a machine for the steps that follow`() throws {
        let recipe = try recorded(
            """
            local twin = web:fork("twin", { from = "clean" })
            twin:run "ls"
            twin:checkpoint("held", { kind = "disk-only" })
            assert(twin.name == "twin" and tostring(twin) == "machine 'twin'")
            local third = twin:fork "third"
            third:export_checkpoint("x", { to = "out" })
            """)
        let swift = Recipe("") {
            Fork("twin", of: "web", from: "clean")
            Run("twin", "ls")
            Checkpoint("held", of: "twin", kind: .diskOnly)
            Fork("third", of: "twin")
            ExportCheckpoint("x", of: "third", to: "out")
        }
        #expect(recipe.withoutLocations.steps == swift.withoutLocations.steps)
        #expect(recipe.machines.map(\.name) == ["web"])
    }

    @Test func `a recipe is named by the script, else by its file`() throws {
        #expect(try recorded("").name == "lab")
        #expect(try recorded("recipe \"first light\"").name == "first light")
        for (file, name) in [("labs/a.b.lua", "a.b"), ("/x/lab", "lab"), ("lab.txt", "lab.txt"), (".lua", ".lua")] {
            #expect(try LuaRecorder.record(source: "", chunkName: file).name == name)
        }
    }

    @Test func `a recipe needs no machines and no steps`() throws {
        #expect(try LuaRecorder.record(source: "", chunkName: "x.lua") == Recipe(name: "x"))
        #expect(try LuaRecorder.record(source: "#!/usr/bin/env fermata run\n", chunkName: "x.lua") == Recipe(name: "x"))
    }

    @Test func `Lua's own libraries work`() throws {
        let recipe = try recorded(
            """
            local names = { "c", "a", "b" }
            table.sort(names)
            for i, name in ipairs(names) do
              web:checkpoint(("%s-%02d"):format(name:upper(), math.max(i, 2)))
            end
            assert(web.name == "web" and tostring(web) == "machine 'web'")
            assert(type("x") == "string" and type(nil) == "nil" and type(web) == "userdata")
            """)
        let names = recipe.steps.map(\.action).compactMap { action -> String? in
            if case .checkpoint(let name, of: _, replace: _, notes: _, kind: _) = action {
                name.description
            } else {
                nil
            }
        }
        #expect(names == ["A-02", "B-02", "C-03"])
    }

    @Test func `print is heard line by line and recorded nowhere`() throws {
        var lines: [String] = []
        let recipe = try LuaRecorder.record(
            source: "print('a', 1, nil)\nprint('zwei\\nZeilen')", chunkName: "x.lua", print: { lines.append($0) })
        #expect(lines == ["a\t1\tnil", "zwei\nZeilen"])
        #expect(recipe == Recipe(name: "x"))
    }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataEngine
import FermataExecutor
import FermataModel
import FermataTestSupport
import Foundation
import StorageTestSupport
import SystemPackage
import Testing

@Suite struct WrongRecipeTests {
    /// A wrong recipe, and what has to be said about it.
    struct Case: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var body: String
        var messages: [String]
        var machine = "memory = \"1M\", disks = { disk { \"system\", size = \"1M\" } }"

        init(_ name: String, _ body: String, _ messages: String..., machine: String? = nil) {
            testDescription = name
            self.body = body
            self.messages = messages
            if let machine { self.machine = machine }
        }

        var script: String { "local web = machine \"web\" { \(machine) }\n\(body)\n" }
    }

    static let cases: [Case] = [
        Case(
            "unknown checkpoint", "web:checkpoint 'clean'\nweb:apply 'claen'",
            "wrong.lua:3: error: no checkpoint 'claen'", "did you mean 'clean'?"),
        Case(
            "start of a running machine", "web:start()\nweb:start()", "wrong.lua:3: error: ", "running already, since"),
        Case(
            "missing kernel", "web:start()", "wrong.lua:1: error: kernel 'vmlinux' of machine 'web' does not exist",
            machine: "boot = kernel { 'vmlinux' }"),
        Case("syntax error", "web:start(", "wrong.lua:", "error: "),
        Case("runtime error", "local function f() web.no.thing() end\nf()", "wrong.lua:2: error: ", "traceback"),
        Case("endless loop", "while true do end", "wrong.lua:2: error: "),
        Case("a string of 1 GB", "local s = string.rep('x', 1 << 30)", "wrong.lua:2: error: "),
        Case(
            "12 parsecs", "", "wrong.lua:1: error: ", "12 parsecs", machine: "memory = '12 parsecs'"),
        Case("a checkpoint of the same name", "web:checkpoint 'a'\nweb:checkpoint 'a'", "wrong.lua:3: error: "),
        Case("a global", "wbe:start()", "wrong.lua:2: error: "),
        Case(
            "two mistakes", "web:run 'true'\nweb:apply 'x'", "wrong.lua:2: error: Run needs a running machine",
            "wrong.lua:3: error: no checkpoint 'x'"),
    ]

    @Test(arguments: cases, ["plan", "run"])
    func `a wrong recipe is told about with its line, and nothing changes`(
        _ wrong: Case, command: String
    ) async throws {
        let folder = try TestFolder()
        try folder.write("wrong.lua", wrong.script)
        try await check(wrong.messages, command, in: folder)
        // The same with a lab that has the machine already.
        #expect(try await folder.fermata("run", "still.lua").code == 0)
        try await check(wrong.messages.filter { $0.contains("parsecs") }, command, in: folder)
    }

    private func check(_ messages: [String], _ command: String, in folder: TestFolder) async throws {
        let before = try folder.contents()
        let result = try await folder.fermata(command, "wrong.lua")
        #expect(result.code == 2, "\(result)")
        #expect(result.output.isEmpty)
        #expect(result.lines.first?.hasPrefix("wrong.lua:") == true, "\(result)")
        for message in messages { #expect(result.messages.contains(message), "\(result)") }
        #expect(try folder.contents() == before)
    }

    @Test func `a checkpoint that the recipe did not make is not touched`() async throws {
        let folder = try TestFolder()
        try folder.write("wrong.lua", "recipe 'still'\n" + TestFolder.still + "web:checkpoint 'mine'\n")
        #expect(try await folder.fermata("run", "still.lua").code == 0)
        let store = folder.folder.appending(".fermata")
        do {
            let machine = try Lab(at: store, hypervisor: SimulatedHypervisor()).open("web")
            try await machine.checkpoint("mine")
        }
        try await check(
            ["wrong.lua:7: error: checkpoint 'mine' of machine 'web' exists and was not made by recipe 'still'"], "run",
            in: folder)
        // Left alone, it survives a run.
        #expect(try await folder.fermata("run", "still.lua").code == 0)
        #expect(try await folder.fermata("checkpoint", "show", "web", "mine").code == 0)
    }

    @Test func `a machine that the recipe did not make is not touched`() async throws {
        let folder = try TestFolder()
        #expect(try await folder.fermata("run", "still.lua").code == 0)
        try folder.write("wrong.lua", TestFolder.still)
        try await check(
            ["wrong.lua:1: error: machine 'web' exists and was not made by recipe 'wrong'"], "run", in: folder)
    }

    @Test func `a machine in use is not touched`() async throws {
        let folder = try TestFolder()
        #expect(try await folder.fermata("run", "still.lua").code == 0)
        let machine = try Lab(at: folder.folder.appending(".fermata"), hypervisor: SimulatedHypervisor()).open("web")
        try await machine.start()
        try await machine.waitForConsole("guest ready")
        let before = try folder.contents()
        let result = try await folder.fermata("run", "still.lua")
        #expect(result.code == 2)
        #expect(result.messages.contains("machine 'web' is running"))
        let list = try await folder.fermata("vm", "list", "--json").json
        #expect(list["machines"]?.elements.first?["state"] == "running")
        #expect(try folder.contents() == before)
        withExtendedLifetime(machine) {}
    }

    @Test(arguments: [
        ("{", "wrong.json:1: error: "),
        ("{\"format\": \"fermata-recipe\", \"version\": 2}", "wrong.json: error: version: "),
        ("{\"format\": \"fermata-plan\", \"version\": 1}", "wrong.json: error: format: "),
        (
            """
            {"format": "fermata-recipe", "version": 1, "name": "x", "machines": [], "steps": [{"do": "Strat"}]}
            """, "did you mean"
        ),
        ("\u{FF}", "wrong.json"),
    ])
    func `a wrong document is told about`(_ text: String, message: String) async throws {
        let folder = try TestFolder()
        try folder.write("wrong.json", text)
        let before = try folder.contents()
        let result = try await folder.fermata("run", "wrong.json")
        #expect(result.code == 2)
        #expect(result.lines.count == 1)
        #expect(result.messages.contains(message), "\(result)")
        #expect(try folder.contents() == before)
    }
}

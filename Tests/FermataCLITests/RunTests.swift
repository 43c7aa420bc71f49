// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import Foundation
import StorageTestSupport
import SystemPackage
import Testing

@Suite struct RunTests {
    @Test func `a plan is what it was`() async throws {
        let folder = try TestFolder()
        try folder.write(
            "lab.lua",
            """
            local web = machine "web" {
              memory = "64M",
              boot = kernel { "kernel", initrd = "initrd", arguments = "console=ttyS0" },
              disks = { disk { "system", size = "64M" }, disk { "data", size = "1G" } },
            }
            web:start()
            web:wait_for_console("ready", { within = "2m" })
            checkpoint "clean"
            web:run "rm -rf /srv/www"
            web:revert()
            web:run("cat /srv/www/index.html", { expect = { contains = "hello" } })
            checkpoint "second"
            web:apply "clean"
            web:shut_down { or_else = "turn_off" }
            """)
        for (name, flags) in [("plan.txt", []), ("plan.json", ["--json"]), ("recipe.json", ["--recipe-json"])] {
            let result = try await Program.fermata.run(["plan", "lab.lua"] + flags, in: folder.path)
            #expect(result.code == 0)
            #expect(result.messages.isEmpty)
            try Golden.check(result.output, "FermataCLI/\(name)")
        }
        #expect(!FileManager.default.fileExists(atPath: folder.folder.appending(".fermata").string))
        // A recipe that was printed is a recipe.
        try folder.write("lab.json", try await folder.fermata("plan", "lab.lua", "--recipe-json").output)
        let (lua, json) = (
            try await folder.fermata("plan", "lab.lua", "--json"),
            try await folder.fermata("plan", "lab.json", "--json")
        )
        #expect(lua.output == json.output)
    }

    @Test func `a lab without hypervisor runs, again and again`() async throws {
        let folder = try TestFolder()
        for _ in 1...2 {
            let result = try await folder.fermata("run", "still.lua")
            #expect(result.code == 0, "\(result)")
            let tree = result.output.replacing(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/, with: "TIME")
            #expect(
                tree == """
                    web
                    └─ clean  TIME
                       ├─ second  TIME
                       └─ third  TIME
                          └─ (now)  <- you are here

                    """)
            #expect(result.lines.allSatisfy { $0.wholeMatch(of: /\[\d\/\d\] .*/) != nil }, "\(result)")
            #expect(!result.messages.contains("\u{1B}"))
        }
        let events = try await folder.fermata("run", "still.lua", "--json").output.split(separator: "\n")
            .map { try JSON(parsing: String($0)) }
        #expect(events.first?["event"] == "planned")
        #expect(events.last?["event"] == "finished")
        #expect(events.allSatisfy { $0["format"] == "fermata-events" })
        #expect(events.last?["machines"]?.elements.first?["checkpoints"]?.elements.count == 3)
    }

    @Test func `a step that fails is told about, and exits with 1`() async throws {
        let folder = try TestFolder()
        try folder.write("bad.lua", "local web = machine 'web' { memory = '1M' }\nweb:start()\n")
        // Without QEMU the machine cannot be started.
        let result = try await folder.fermata("run", "bad.lua", environment: ["PATH": "/nonexistent"])
        #expect(result.code == 1)
        #expect(result.messages.contains("bad.lua:2: error: step 1, Start web: "), "\(result)")
        #expect(result.messages.contains("kept at its failure as checkpoint 'failed: 1 Start'"))
        #expect(result.output.isEmpty)
        let list = try await folder.fermata("checkpoint", "list", "web", "--json").json
        #expect(list["checkpoints"]?.elements.map { $0["name"] } == ["failed: 1 Start"])
        #expect(try await folder.fermata("vm", "list", "--json").json["machines"]?.elements.first?["state"] == "off")
        let json = try await folder.fermata("run", "bad.lua", "--json", environment: ["PATH": "/nonexistent"])
        #expect(json.code == 1)
        let last = try #require(json.output.split(separator: "\n").last)
        #expect(try JSON(parsing: String(last))["event"] == "stopped")
    }

    @Test func `the lab is found from below, by the environment, and by its option`() async throws {
        let folder = try TestFolder()
        try folder.folder.makeFolder("deep/below")
        #expect(try await folder.fermata("run", "still.lua").code == 0)
        func machines(_ arguments: [String] = [], in place: String = ".", store: String? = nil) async throws -> Int? {
            let result = try await Program.fermata.run(
                ["vm", "list", "--json"] + arguments, in: folder.path.appending(place),
                environment: store.map { ["FERMATA_STORE": $0] } ?? [:])
            return result.code == 0 ? try result.json["machines"]?.elements.count : nil
        }
        #expect(try await machines(in: "deep/below") == 1)
        #expect(try await machines(store: "elsewhere") == nil)
        #expect(try await machines(["--store", ".fermata"], store: "elsewhere") == 1)
        #expect(try await folder.fermata("run", "still.lua", "--store", "other").code == 0)
        #expect(try await machines(store: "other") == 1)
    }

    @Test func `the Swift program and the Lua script are one recipe`() async throws {
        let examples = Examples.folder
        let folder = try TestFolder()
        let lua = try await Program.fermata.run(["plan", "first-lab.lua", "--recipe-json"], in: examples)
        let swift = try await Program.firstLab.run(
            ["plan", "--recipe-json", "--directory", examples.string], in: folder.path)
        #expect(lua.code == 0 && swift.code == 0)
        let (left, right) = (try Recipe(json: lua.json), try Recipe(json: swift.json))
        #expect(left.withoutLocations == right.withoutLocations)
        #expect(left.withoutLocations.json == right.withoutLocations.json)
        #expect(left != right)
        #expect(left.steps.allSatisfy { $0.at?.file == "first-lab.lua" })
        #expect(right.steps.allSatisfy { $0.at?.file.hasSuffix("FirstLab.swift") == true })
        // Each line that is a step makes a difference when it is left out.
        let script = try String(contentsOfFile: examples.appending("first-lab.lua").string, encoding: .utf8)
        let lines = script.split(separator: "\n", omittingEmptySubsequences: false)
        let steps = lines.indices.filter { lines[$0].hasPrefix("web:") && lines[$0].hasSuffix(")") }
        #expect(steps.count > 5)
        for step in steps.prefix(4) {
            var changed = lines
            changed[step] = ""
            try folder.write("changed.lua", changed.joined(separator: "\n"))
            let result = try await folder.fermata("plan", "changed.lua", "--recipe-json")
            #expect(result.code == 0, "\(result)")
            #expect(try Recipe(json: result.json).withoutLocations != right.withoutLocations)
        }
    }
}

/// The examples of this package.
enum Examples {
    static var folder: FilePath {
        FilePath(#filePath).removingLastComponent().removingLastComponent().removingLastComponent().appending(
            "Examples")
    }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import Foundation
import StorageTestSupport
import SystemPackage
import Testing

@Suite struct LookingTests {
    @Test func `machines and checkpoints are told about`() async throws {
        let folder = try TestFolder()
        #expect(try await folder.fermata("run", "still.lua").code == 0)
        let before = try folder.contents()
        let store = folder.folder.appending(".fermata").string

        let list = try await folder.fermata("vm", "list", "--json").json
        let machine = try #require(list["machines"]?.elements.first)
        #expect(machine["name"] == "web" && machine["state"] == "off")
        #expect(GUID(try #require(machine["id"]?.text)) != nil)

        let show = try await folder.fermata("vm", "show", "web", "--json").json
        #expect(show["id"] == machine["id"] && show["state"] == "off")
        try check(try #require(show["disks"]), depth: 4, in: store)

        let tree = try await folder.fermata("checkpoint", "tree", "web", "--json").json
        let checkpoints = try #require(tree["checkpoints"]?.elements)
        #expect(checkpoints.map { $0["name"] } == ["clean", "second", "third"])
        #expect(checkpoints.map { $0["memory"] } == [false, false, false])
        let clean = checkpoints[0]
        #expect(clean["parent"] == .null && checkpoints[1]["parent"] == clean["id"])
        #expect(tree["now"]?["parent"] == checkpoints[2]["id"])
        #expect(tree["machine"] == "web")
        let time = try #require(clean["time"]?.text)
        #expect(time.wholeMatch(of: /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/) != nil)

        for name in ["third", "clean/third", try #require(checkpoints[2]["id"]?.text)] {
            let checkpoint = try await folder.fermata("checkpoint", "show", "web", name, "--json").json
            #expect(checkpoint["name"] == "third" && checkpoint["parent"] == clean["id"])
            try check(try #require(checkpoint["disks"]), depth: 3, in: store)
        }
        let alias = try await folder.fermata("snapshot", "tree", "web", "--json").json
        #expect(alias == tree)
        for command in [
            ["vm", "list"], ["vm", "show", "web"], ["checkpoint", "list", "web"],
            ["checkpoint", "show", "web", "clean"],
        ] {
            let result = try await Program.fermata.run(command, in: folder.path)
            #expect(result.code == 0 && result.messages.isEmpty)
            #expect(result.output.contains(command.first == "vm" ? "web" : "clean"))
        }
        #expect(try folder.contents() == before)
    }

    private func check(_ disks: JSON, depth: Int, in store: String) throws {
        #expect(disks.elements.count == 1)
        let disk = try #require(disks.elements.first)
        let chain = try #require(disk["chain"]).elements.compactMap(\.text)
        #expect(disk["name"] == "system")
        #expect(chain.count == depth && chain.first == disk["path"]?.text)
        #expect(chain.last == "\(store)/web/web.vhd")
        #expect(chain.allSatisfy { $0.hasPrefix("\(store)/web/") && FileManager.default.fileExists(atPath: $0) })
    }

    @Test(arguments: [
        (["vm", "show", "wbe"], "there is no machine 'wbe'", "did you mean 'web'?"),
        (["checkpoint", "tree", "nothing"], "there is no machine 'nothing'", ""),
        (["checkpoint", "show", "web", "claen"], "no checkpoint 'claen' of machine 'web'", "did you mean 'clean'?"),
        (["checkpoint", "show", "web", "third/clean"], "no checkpoint 'third/clean'", ""),
        (["checkpoint", "show", "../web", "clean"], "there is no machine '../web'", ""),
    ])
    func `an unknown name is exit code 2`(_ command: [String], message: String, hint: String) async throws {
        let folder = try TestFolder()
        #expect(try await folder.fermata("run", "still.lua").code == 0)
        let result = try await Program.fermata.run(command, in: folder.path)
        #expect(result.code == 2)
        #expect(result.lines.count == 1)
        #expect(result.messages.hasPrefix("fermata: error: \(message)"), "\(result)")
        #expect(hint.isEmpty || result.messages.contains(hint))
    }

    @Test func `a store of a newer version is refused`() async throws {
        let folder = try TestFolder()
        #expect(try await folder.fermata("run", "still.lua").code == 0)
        try folder.write(".fermata/store.json", "{\"format\": \"fermata-store\", \"version\": 99}")
        let before = try folder.contents()
        for command in [["vm", "list"], ["run", "still.lua"], ["plan", "still.lua"]] {
            let result = try await Program.fermata.run(command, in: folder.path)
            #expect(result.code == 2)
            #expect(result.messages.contains("version: expected 1, found 99"), "\(result)")
        }
        #expect(try folder.contents() == before)
    }
}

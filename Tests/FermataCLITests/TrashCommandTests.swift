// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import Foundation
import SystemPackage
import Testing

@Suite struct TrashCommandTests {
    private struct Failed: Error {
        let result: Program.Result
    }

    private func done(_ line: String, in folder: TestFolder) async throws -> String {
        let result = try await Program.fermata.run(line.split(separator: " ").map(String.init), in: folder.path)
        guard result.code == 0, result.messages.isEmpty else { throw Failed(result: result) }
        return result.output
    }

    private func json(_ line: String, in folder: TestFolder) async throws -> JSON {
        try JSON(parsing: try await done(line + " --json", in: folder))
    }

    private func refused(_ line: String, _ code: Int32, _ sentence: String, in folder: TestFolder) async throws {
        let before = try folder.contents()
        let result = try await Program.fermata.run(line.split(separator: " ").map(String.init), in: folder.path)
        #expect(result.code == code && result.output.isEmpty, "\(line): \(result)")
        #expect(result.messages == "fermata: error: \(sentence)\n" || result.messages.contains(sentence), "\(result)")
        #expect(try folder.contents() == before, "\(line)")
    }

    private func lab() async throws -> TestFolder {
        let folder = try TestFolder()
        _ = try await done("vm create web --disk 1M", in: folder)
        for name in ["clean", "second"] { _ = try await done("checkpoint create web \(name)", in: folder) }
        return folder
    }

    @Test func `checkpoints go to the trash, are listed there and come back`() async throws {
        let folder = try await lab()
        #expect(try await done("trash list", in: folder).isEmpty)
        let id = try #require(try await json("checkpoint show web clean", in: folder)["id"])
        _ = try await done("checkpoint delete web clean", in: folder)
        let list = try await json("trash list web", in: folder)
        #expect(list["format"] == "fermata-trash" && list["version"] == 1)
        let entry = try #require(list["entries"]?.elements.first)
        #expect(entry["id"] == id && entry["name"] == "clean" && entry["machine"] == "web")
        #expect(entry["kind"] == "checkpoint" && entry["memory"] == false)
        #expect(try #require(entry["discarded"]?.text).wholeMatch(of: /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ/) != nil)
        let line = try await done("trash list", in: folder)
        #expect(line.hasPrefix("web  clean  20") && line.split(separator: "\n").count == 1, "\(line)")

        try await refused(
            "trash restore web claen", 2, "there is no 'claen' of machine 'web' in the trash; did you mean 'clean'?",
            in: folder)
        try await refused(
            "trash restore web clean --as second", 1,
            "machine 'web' has a checkpoint 'second' already; say under which name this one is to come back",
            in: folder)
        try await refused("trash restore wbe clean", 2, "there is no machine 'wbe'", in: folder)
        try await refused("trash restore web", 2, "machine 'web' is not deleted; say what is to come back", in: folder)
        let restored = try await json("trash restore web clean --as old", in: folder)
        #expect(restored["format"] == "fermata-trash-restored" && restored["id"] == id && restored["name"] == "old")
        let tree = try await json("checkpoint tree web", in: folder)
        #expect(tree["checkpoints"]?.elements.map { $0["name"] } == ["old", "second"])
        #expect(tree["checkpoints"]?.elements.last?["parent"] == id)
        #expect(try await done("trash list", in: folder).isEmpty)
    }

    @Test func `gc empties it, and says how many bytes came free`() async throws {
        let folder = try await lab()
        _ = try await done("checkpoint delete web clean", in: folder)
        _ = try await done("checkpoint delete web second", in: folder)
        let before = try folder.contents()
        let dry = try await json("gc --dry-run", in: folder)
        #expect(dry["format"] == "fermata-trash-emptied" && dry["count"] == 2 && dry["dryRun"] == true)
        #expect(dry["entries"]?.elements.map { $0["name"] } == ["clean", "second"])
        #expect(try await done("gc --dry-run --older-than 1h", in: folder) == "0 things would go: 0 B\n")
        #expect(try folder.contents() == before)
        #expect(try await json("gc --keep 1T", in: folder)["count"] == 0)
        try await refused("gc --older-than soon", 2, "--older-than: expected a duration", in: folder)
        try await refused("gc wbe", 2, "there is no machine 'wbe'", in: folder)
        try await refused("gc web --set off", 2, "--set stands alone", in: folder)
        let gone = try await json("gc web", in: folder)
        #expect(gone["count"] == 2 && gone["dryRun"] == false && gone["bytes"] != 0)
        #expect(try await json("vm show web", in: folder)["disks"]?.elements.first?["chain"]?.elements.count == 1)
        #expect(try await done("gc", in: folder) == "0 things went, and 0 B came free\n")
    }

    @Test func `a deleted machine comes back by its name, its id or under another name`() async throws {
        let folder = try await lab()
        let id = try #require(try await json("vm show web", in: folder)["id"]?.text)
        _ = try await done("checkpoint delete web second", in: folder)
        _ = try await done("vm delete web --discard", in: folder)
        #expect(try await json("vm list", in: folder)["machines"] == [])
        let entry = try #require(try await json("trash list", in: folder)["entries"]?.elements.first)
        #expect(entry["kind"] == "machine" && entry["name"] == "web" && entry["id"] == .string(id))
        _ = try await done("vm create web --disk 1M", in: folder)
        try await refused("trash restore web", 1, "exists already", in: folder)
        try await refused(
            "trash restore wbe", 2, "there is no machine 'wbe' in the trash; did you mean 'web'?", in: folder)
        _ = try await done("trash restore \(id) --as old", in: folder)
        #expect(try await json("trash list old", in: folder)["entries"]?.elements.map { $0["name"] } == ["second"])
        _ = try await done("trash restore old second", in: folder)
        let checkpoints = try await json("checkpoint tree old", in: folder)["checkpoints"]
        #expect(checkpoints?.elements.map { $0["name"] } == ["clean", "second"])
        #expect(try await done("doctor", in: folder).contains("everything is as it should be"))
        _ = try await done("vm delete old --discard", in: folder)
        #expect(try await done("doctor", in: folder).contains("everything is as it should be"))
        #expect(try await json("gc old", in: folder)["count"] == 1)
        #expect(try await done("trash list", in: folder).isEmpty)
    }

    @Test func `nothing goes there when that is said, once or for the lab`() async throws {
        let folder = try await lab()
        _ = try await done("checkpoint delete web second --no-trash", in: folder)
        #expect(try await done("trash list", in: folder).isEmpty)
        #expect(try await json("gc --set 2h,1G", in: folder)["bytes"] == .integer(1 << 30))
        _ = try await done("gc --set off", in: folder)
        _ = try await done("checkpoint delete web clean", in: folder)
        _ = try await done("vm delete web --discard", in: folder)
        #expect(try await done("trash list", in: folder).isEmpty)
        try await refused("gc --set 1G", 2, "--set: expected an age and a size", in: folder)

        let other = try TestFolder()
        let result = try await other.fermata(
            "vm", "create", "web", "--disk", "1M", environment: ["FERMATA_TRASH": "off"])
        #expect(result.code == 0)
        _ = try await done("vm delete web --discard", in: other)
        #expect(try await done("trash list", in: other).isEmpty)
    }

    @Test func `what a run replaces does not go there`() async throws {
        let folder = try TestFolder()
        for _ in 0..<2 { #expect(try await folder.fermata("run", "still.lua").code == 0) }
        try folder.write("still.lua", TestFolder.still.replacing("1M", with: "2M"))
        #expect(try await folder.fermata("run", "still.lua").code == 0)
        #expect(try await done("trash list", in: folder).isEmpty)
    }
}

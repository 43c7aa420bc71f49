// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import FermataTestSupport
import Foundation
import StorageTestSupport
import SystemPackage
import Testing

/// The examples run to their end: their own steps prove that every restore was exact.
@Suite(.serialized) struct ExampleTests {
    @Test func `the first lab runs in Lua and in Swift, again and again in one store`() async throws {
        let place = try TemporaryFolder()
        let (examples, guest) = (place.appending("Examples"), place.appending(".guest"))
        let package = FilePath(#filePath).removingLastComponent().removingLastComponent().removingLastComponent()
        try FileManager.default.copyItem(
            atPath: package.appending("Examples").string, toPath: examples.string)
        try FileManager.default.createDirectory(atPath: guest.string, withIntermediateDirectories: false)
        for file in ["vmlinuz", "initrd.gz"] {
            try FileManager.default.copyItem(
                atPath: TinyGuest.find().folder.appending(file).string, toPath: guest.appending(file).string)
        }
        let store = ["--store", place.appending("lab").string]
        let inLua = ("fermata", ["run", examples.appending("first-lab.lua").string])
        let inSwift = ("first-lab", ["run", "--directory", examples.string])
        for (program, arguments) in [inLua, inSwift, inLua] {
            let run = try await BuiltProgram.run(program, arguments + store)
            #expect(run.code == 0, "\(program): \(run.messages)")
            let tree = try await BuiltProgram.run("fermata", ["checkpoint", "tree", "web", "--json"] + store).json
            let nodes = try #require(tree["checkpoints"]?.elements)
            #expect(nodes.compactMap { $0["name"]?.text } == ["clean", "other"])
            let clean = try #require(nodes.first?["id"]?.text)
            #expect(nodes.last?["parent"]?.text == clean && tree["now"]?["parent"]?.text == clean)
        }
    }

    @Test func `a program acts on a machine live, and is told what happens`() async throws {
        let place = try TemporaryFolder()
        let lab = place.appending("lab")
        let run = try await BuiltProgram.run("live-lab", [lab.string, TinyGuest.find().folder.string])
        #expect(run.code == 0, "\(run)")
        #expect(run.lines.filter { !$0.hasPrefix("event:") } == ["the file is there: false", "the machine is saved"])
        for event in ["state(running", "checkpointed(clean", "restored(", "state(saved"] {
            #expect(run.lines.contains { $0.hasPrefix("event:") && $0.contains(event) }, "\(run.lines)")
        }
    }
}

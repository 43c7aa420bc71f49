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
    /// Copies the examples to a folder, and the guest to where they look for it.
    private func examples(in place: TemporaryFolder) throws -> FilePath {
        let (examples, guest) = (place.appending("Examples"), place.appending(".guest"))
        let package = FilePath(#filePath).removingLastComponent().removingLastComponent().removingLastComponent()
        try FileManager.default.copyItem(
            atPath: package.appending("Examples").string, toPath: examples.string)
        try FileManager.default.createDirectory(atPath: guest.string, withIntermediateDirectories: false)
        for file in ["vmlinuz", "initrd.gz"] {
            try FileManager.default.copyItem(
                atPath: TinyGuest.find().folder.appending(file).string, toPath: guest.appending(file).string)
        }
        return examples
    }

    @Test func `the first lab runs in Lua and in Swift, again and again in one store`() async throws {
        let place = try TemporaryFolder()
        let examples = try examples(in: place)
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

    @Test func `twins are forked of a base, and again by the next run`() async throws {
        let place = try TemporaryFolder()
        let recipe = try examples(in: place).appending("twins.lua").string
        let store = ["--store", place.appending("lab").string]
        for round in 1...2 {
            let plan = try await BuiltProgram.run("fermata", ["plan", recipe] + store)
            #expect(plan.lines.count { $0.hasSuffix(", which is forked again") } == (round == 1 ? 0 : 3))
            let run = try await BuiltProgram.run("fermata", ["run", recipe] + store)
            #expect(run.code == 0, "\(run.messages)")
            let machines = try await BuiltProgram.run("fermata", ["vm", "list", "--json"] + store).json["machines"]
            #expect(machines?.elements.compactMap { $0["name"]?.text } == ["base", "cold", "left", "right"])
            #expect(machines?.elements.allSatisfy { $0["state"] == "off" } == true)
            let tree = try await BuiltProgram.run("fermata", ["checkpoint", "tree", "left", "--json"] + store).json
            #expect(tree["checkpoints"]?.elements.compactMap { $0["name"]?.text } == ["own"])
        }
        let doctor = try await BuiltProgram.run("fermata", ["doctor"] + store)
        #expect(doctor.code == 0, "\(doctor)")
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

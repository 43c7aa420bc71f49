// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataEngine
import FermataExecutor
import FermataModel
import FermataPlan
import FermataTestSupport
import Foundation
import StorageTestSupport
import SystemPackage
import Testing

/// Steps that write checkpoints to folders.
@Suite struct ExportStepTests {
    static func export(
        _ name: CheckpointName = "held", to path: String, flattened: Bool = false, memory: Bool = false
    ) -> Action {
        .exportCheckpoint(name, of: "web", to: path, flattened: flattened, memory: memory)
    }

    static let beginning: [Action] = [
        .start("web"), .ready, .sh("write 0 base"), .hold("first"), .sh("write 0 hello"), .sh("set count 7"),
        .hold("held"), .sh("write 0 later"), .sh("set count 8"),
    ]

    /// What a machine that is made of an exported folder says.
    private func answers(_ lab: TestLab, of folder: String, as name: MachineName) async throws -> [String] {
        _ = try lab.lab.importMachine(from: lab.folder.appending(folder), as: name)
        let machine = try lab.lab.open(name)
        try await machine.start()
        var answers: [String] = []
        for line in ["get count", "read 0 5"] {
            answers.append(String(decoding: try await machine.run(line).standardOutput, as: UTF8.self))
        }
        await machine.close()
        return answers
    }

    @Test func `an exported checkpoint is a machine wherever it is brought`() async throws {
        let lab = try TestLab()
        try lab.folder.makeFolder("out")
        let steps = [
            Self.export(to: "out/chain"), Self.export(to: "./out/../live", flattened: true, memory: true),
            Self.export("first", to: lab.folder.appending("absolute").string),
            .sh("get count", Expectation(equals: "8")), .sh("read 0 5", Expectation(equals: "later")),
        ]
        let (_, error) = try await lab.run(TestLab.recipe(Self.beginning + steps))
        #expect(error == nil, "\(String(describing: error))")
        let disks = try ["out/chain", "live"].map { folder in
            try FileManager.default.subpathsOfDirectory(atPath: lab.folder.appending(folder).string)
                .count { $0.hasSuffix("vhd") }
        }
        #expect(disks[0] > 1 && disks[1] == 1, "\(disks)")
        #expect(try await answers(lab, of: "out/chain", as: "a") == ["(unset)\n", "hello"])
        #expect(try await answers(lab, of: "live", as: "b") == ["7\n", "hello"])
        #expect(try await answers(lab, of: "absolute", as: "c") == ["(unset)\n", "base"])
    }

    @Test func `a folder that exists is refused by the plan, and by the run if it came meanwhile`() async throws {
        let lab = try TestLab()
        let recipe = TestLab.recipe(Self.beginning + [Self.export(to: "out")])
        let plan = try lab.lab.plan(recipe, in: lab.folder.path)
        try lab.write("out", "mine")
        let error = await #expect(throws: RunError.self) {
            try await PlanExecutor(plan, in: lab.lab, recipeFolder: lab.folder.path).run()
        }
        let sentence = "step 10, ExportCheckpoint 'held' of web to 'out': \(lab.folder.appending("out")) exists already"
        #expect(error?.message == "\(sentence); choose another folder")
        #expect(try lab.contents()["out"] == Data("mine".utf8))
        #expect(try lab.tree().checkpoints.contains { $0.name == "failed: 10 ExportCheckpoint" && $0.hasMemory })

        let before = try lab.contents()
        let mistakes = #expect(throws: PlanningErrors.self) { try lab.lab.plan(recipe, in: lab.folder.path) }
        #expect(
            mistakes?.diagnostics.map(\.description) == [
                "lab.lua:19: error: 'out', which the step is to make, exists already; choose another folder, or remove it"
            ])
        #expect(try lab.contents() == before)
        try FileManager.default.removeItem(atPath: lab.folder.appending("out").string)
        #expect(try await lab.run(recipe).error == nil)
    }

    @Test func `an inventory tells places for new folders apart`() throws {
        let lab = try TestLab()
        try lab.folder.makeFolder("folder")
        try lab.folder.makeFolder(".fermata")
        try FileManager.default.createSymbolicLink(
            atPath: lab.folder.appending("dangling").string, withDestinationPath: "nowhere")
        try FileManager.default.createSymbolicLink(
            atPath: lab.folder.appending("into").string, withDestinationPath: ".fermata")
        let paths = [
            "new", "folder/new", "folder/../new", "folder", "kernel", "dangling", "kernel/below", "no/new",
            ".fermata/x",
            "into/x",
        ]
        let inventory = try lab.lab.inventory(
            for: TestLab.recipe(paths.map { Self.export(to: $0) }), in: lab.folder.path)
        let root = lab.folder.path
        let expected: [Inventory.Folder] = [
            .free(path: root.appending("new").string), .free(path: root.appending("folder/new").string),
            .free(path: root.appending("new").string), .exists, .exists, .exists, .noParent, .noParent, .inLab, .inLab,
        ]
        #expect(paths.map { inventory.folders[$0] } == expected)
    }
}

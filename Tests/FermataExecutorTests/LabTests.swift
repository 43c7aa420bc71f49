// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataEngine
import FermataExecutor
import FermataModel
import FermataPlan
import StorageTestSupport
import SystemPackage
import Testing

@Suite struct LabTests {
    @Test func `a lab is found like a git repository`() throws {
        let folder = try TemporaryFolder()
        let deep = try folder.makeFolder("project/a/b")
        let recipes = try folder.makeFolder("recipes")
        func find(
            _ store: FilePath? = nil, _ environment: [String: String] = [:], recipe: FilePath? = nil
        ) -> FilePath {
            Lab.find(store: store, recipeFolder: recipe, environment: environment, currentFolder: deep)
        }
        #expect(find() == deep.appending(".fermata"))
        #expect(find(recipe: recipes) == recipes.appending(".fermata"))
        #expect(find(recipe: "../x") == deep.removingLastComponent().appending("x/.fermata"))
        try folder.makeFolder("project/.fermata")
        #expect(find(recipe: recipes) == folder.appending("project/.fermata"))
        #expect(find(nil, ["FERMATA_STORE": "../lab"], recipe: recipes) == folder.appending("project/a/lab"))
        #expect(find("/labs/mine", ["FERMATA_STORE": "../lab"], recipe: recipes) == "/labs/mine")
        #expect(find("here/.") == deep.appending("here"))
    }

    @Test func `an inventory tells files apart`() throws {
        let lab = try TestLab()
        try lab.folder.makeFolder("folder")
        var recipe = TestLab.recipe([])
        for (index, path) in ["kernel", "folder", "nothing", "kernel/below"].enumerated() {
            var machine = TestLab.machine(MachineName("m\(index)"))
            machine.boot = MachineDefinition.Boot(kernel: path)
            recipe.machines.append(machine)
        }
        let inventory = try lab.lab.inventory(for: recipe, in: lab.folder.path)
        guard case .file(let digest, let size)? = inventory.files["kernel"] else {
            Issue.record("\(inventory.files)")
            return
        }
        // printf 'a kernel' | sha256sum
        #expect("\(digest)" == "4fff0d3e643b3894c17a0738fbdc591953aa722c9d42774425090accc4377126")
        #expect(size.bytes == 8)
        #expect(inventory.files["folder"] == .notAFile)
        #expect(inventory.files["nothing"] == .missing)
        #expect(inventory.files["kernel/below"] == .missing)
        #expect(inventory.machines.isEmpty)
        #expect(try #require(inventory.freeSpace).bytes > 0)
    }

    @Test func `planning changes nothing`() async throws {
        let lab = try TestLab()
        let before = try lab.contents()
        _ = try lab.lab.plan(PlanExecutorTests.recipe, in: lab.folder.path)
        #expect(try lab.contents() == before)
        #expect(throws: PlanningErrors.self) {
            try lab.lab.plan(TestLab.recipe([.start("wbe")]), in: lab.folder.path)
        }
        #expect(try lab.contents() == before)
    }

    @Test func `a machine can be acted on live`() async throws {
        let lab = try TestLab()
        let machine = try lab.lab.create(TestLab.machine("pet"), in: lab.folder.path)
        try await machine.start()
        try await machine.waitForConsole(pattern: "guest re.dy")
        _ = try await machine.run("set colour green")
        try await machine.checkpoint("green", notes: "a colour")
        _ = try await machine.run(["set", "colour", "red"])
        try await machine.checkpoint("red")
        try await machine.apply("green")
        #expect(String(decoding: try await machine.run("get colour").standardOutput, as: UTF8.self) == "green\n")
        try await machine.apply("green/red")
        #expect(String(decoding: try await machine.run("get colour").standardOutput, as: UTF8.self) == "red\n")
        let error = await #expect(throws: EngineError.self) { try await machine.apply("gren") }
        #expect(error?.description.contains("did you mean 'green'?") == true)
        try await machine.delete("green")
        #expect(try machine.tree.checkpoints.map(\.name) == ["red"])
        try await machine.shutDown()
        #expect(try await machine.state == .off)
    }

    @Test func `a run through the lab tells its events`() async throws {
        let lab = try TestLab()
        let outcome = try await lab.lab.run(PlanExecutorTests.recipe, in: lab.folder.path) { event in
            if case .operationFailed(_, _, let error) = event.kind { Issue.record("\(error)") }
        }
        #expect(outcome.machines.map(\.name) == ["web"])
    }
}

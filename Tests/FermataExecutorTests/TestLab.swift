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

/// A lab in a folder of its own, with a simulated hypervisor and boot files to name.
struct TestLab {
    let folder: TemporaryFolder
    let hypervisor: SimulatedHypervisor
    let lab: Lab

    init(_ hypervisor: SimulatedHypervisor = SimulatedHypervisor()) throws {
        folder = try TemporaryFolder()
        self.hypervisor = hypervisor
        lab = Lab(at: folder.appending(".fermata"), hypervisor: hypervisor)
        try write("kernel", "a kernel")
        try write("initrd", "an initial RAM disk")
    }

    func write(_ name: String, _ text: String) throws {
        try Data(text.utf8).write(to: URL(fileURLWithPath: folder.appending(name).string))
    }

    /// A machine of 1 MiB, whose guest's clock can go back.
    static func machine(_ name: MachineName = "web") -> MachineDefinition {
        MachineDefinition(
            name: name, memory: .mebibytes(1),
            boot: MachineDefinition.Boot(
                kernel: "kernel", initrd: "initrd", arguments: "clocksource=hpet tsc=unstable"),
            disks: [MachineDefinition.Disk(name: "system", size: .mebibytes(1))],
            at: SourceLocation(file: "lab.lua", line: 1))
    }

    /// A recipe of one machine; each step stands on a line of its own, from line 10 on.
    static func recipe(_ actions: [Action], name: String = "lab") -> Recipe {
        Recipe(
            name: name, machines: [machine()],
            steps: actions.enumerated().map { Step($1, at: SourceLocation(file: "lab.lua", line: 10 + $0)) })
    }

    /// The names and bytes of everything in the lab.
    func contents() throws -> [String: Data] {
        var contents: [String: Data] = [:]
        let files = FileManager.default.enumerator(atPath: folder.path.string)
        while let name = files?.nextObject() as? String {
            contents[name] = try? Data(contentsOf: URL(fileURLWithPath: folder.appending(name).string))
        }
        return contents
    }

    /// Runs a recipe; returns its events, and what it threw.
    func run(_ recipe: Recipe) async throws -> (events: [RunEvent], error: RunError?) {
        let executor = PlanExecutor(try lab.plan(recipe, in: folder.path), in: lab, recipeFolder: folder.path)
        async let events = executor.events.reduce(into: []) { $0.append($1) }
        do {
            _ = try await executor.run()
            return (await events, nil)
        } catch let error as RunError {
            return (await events, error)
        }
    }

    func tree(_ name: MachineName = "web") throws -> CheckpointTree {
        try MachineRecord(reading: LabFolder.open(lab.folder.path).machine(name)).tree
    }
}

extension Action {
    static func sh(_ line: String, _ expect: Expectation = .success, within: TimeSpan = .seconds(60)) -> Action {
        .run("web", .shell(line), expect: expect, within: within)
    }

    static func hold(_ name: CheckpointName, replace: Bool = false) -> Action {
        .checkpoint(name, of: "web", replace: replace, notes: nil)
    }

    static let ready: Action = .waitForConsole("web", .plain("simulated guest ready"), within: .seconds(60))
}

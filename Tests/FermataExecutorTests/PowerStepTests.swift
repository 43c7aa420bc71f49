// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataEngine
import FermataExecutor
import FermataModel
import FermataPlan
import FermataTestSupport
import StorageTestSupport
import Testing

/// Steps that pause, save and reset machines, and machines that are saved when a run ends.
@Suite struct PowerStepTests {
    static let count: Action = .sh("get count", Expectation(equals: "7"))

    @Test func `every power step does what it says, and the guest goes on where it was`() async throws {
        let lab = try TestLab()
        let recipe = TestLab.recipe([
            .start("web"), .ready, .sh("set count 7"),
            .pause("web"), .hold("paused"), .resume("web"), Self.count,
            .save("web"), .hold("saved"), .start("web"), Self.count,
            .pause("web"), .save("web"), .start("web"), Self.count,
            .sh("set count 8"), .apply("paused", of: "web"), .resume("web"), Self.count,
            .sh("set count 9"), .apply("saved", of: "web"), .start("web"), Self.count,
            .type("web", "nobody reads this\n"),
            .reset("web"), .waitForReboot("web", within: .seconds(60)), .ready,
            .sh("get count", Expectation(equals: "(unset)")),
            .save("web"), .turnOff("web"), .start("web"), .ready, .sh("get count", Expectation(equals: "(unset)")),
        ])
        for _ in 1...2 {
            let (_, error) = try await lab.run(recipe)
            #expect(error == nil)
            #expect(lab.hypervisor.liveMachines == 0)
            #expect(try lab.tree().listed.checkpoints.map(\.hasMemory) == [true, true])
        }
    }

    @Test func `machines that run at the end are saved, and the next run starts over`() async throws {
        let lab = try TestLab()
        let recipe = TestLab.recipe([.start("web"), .ready, .sh("set count 7")])
        for round in 1...2 {
            let plan = try lab.lab.plan(recipe, in: lab.folder.path, atEnd: .saved)
            guard case .returnToOrigin(_, let back)? = plan.operations.first?.kind else {
                #expect(round == 1)
                try await lab.lab.run(recipe, in: lab.folder.path, atEnd: .saved)
                continue
            }
            #expect(back.discardsSaved)
            try await lab.lab.run(recipe, in: lab.folder.path, atEnd: .saved)
        }
        #expect(lab.hypervisor.liveMachines == 0)
        #expect(try lab.lab.inventory(for: recipe, in: lab.folder.path).machines.first?.state == .saved)
        let machine = try lab.lab.open("web")
        try await machine.start()
        #expect(String(decoding: try await machine.run("get count").standardOutput, as: UTF8.self) == "7\n")
        await machine.close()
        // Without being asked, a run leaves nothing behind.
        try await lab.lab.run(recipe, in: lab.folder.path)
        #expect(try lab.lab.inventory(for: recipe, in: lab.folder.path).machines.first?.state == .off)
    }

    @Test func `what a step has saved stays saved, whatever the end is to be`() async throws {
        let lab = try TestLab()
        for atEnd in Plan.AtEnd.allCases {
            let recipe = TestLab.recipe([.start("web"), .ready, .sh("set count 7"), .save("web")])
            try await lab.lab.run(recipe, in: lab.folder.path, atEnd: atEnd)
            #expect(try lab.lab.inventory(for: recipe, in: lab.folder.path).machines.first?.state == .saved)
        }
    }

    @Test func `a run that fails leaves its machines off, though they were to be saved`() async throws {
        let lab = try TestLab()
        let recipe = TestLab.recipe([.start("web"), .ready, .sh("exit 1")])
        await #expect(throws: RunError.self) {
            try await lab.lab.run(recipe, in: lab.folder.path, atEnd: .saved)
        }
        #expect(try lab.lab.inventory(for: recipe, in: lab.folder.path).machines.first?.state == .off)
        #expect(try lab.tree().checkpoints.contains { $0.name == "failed: 3 Run" && $0.hasMemory })
    }

    @Test func `a guest that does not restart fails its step`() async throws {
        let lab = try TestLab()
        let (_, error) = try await lab.run(
            TestLab.recipe([.start("web"), .ready, .waitForReboot("web", within: .milliseconds(100))]))
        #expect(
            error?.message == "step 3, WaitForReboot web within 100ms: the guest did not restart within 100ms",
            "\(String(describing: error))")
        #expect(error?.code == .expectation)
        #expect(try lab.tree().checkpoints.contains { $0.name == "failed: 3 WaitForReboot" })
        #expect(lab.hypervisor.liveMachines == 0)
    }

    @Test(arguments: [SimulatedHypervisor.Request.stop, .saveDevices, .changedPages, .readMemory])
    func `a save that fails at the end is told, and the machine is off`(
        _ request: SimulatedHypervisor.Request
    ) async throws {
        let fault = FailureTests.Fault(request, occurrence: 1)
        let lab = try TestLab(SimulatedHypervisor(before: fault.reach))
        let recipe = TestLab.recipe([.start("web"), .ready])
        let error = await #expect(throws: RunError.self) {
            try await lab.lab.run(recipe, in: lab.folder.path, atEnd: .saved)
        }
        #expect(fault.isMet)
        #expect(error?.message.hasPrefix("save web if it still runs: ") == true, "\(String(describing: error))")
        #expect(lab.hypervisor.liveMachines == 0)
        #expect(try lab.lab.inventory(for: recipe, in: lab.folder.path).machines.first?.state == .off)
        try await lab.lab.run(recipe, in: lab.folder.path, atEnd: .saved)
        #expect(try lab.lab.inventory(for: recipe, in: lab.folder.path).machines.first?.state == .saved)
    }
}

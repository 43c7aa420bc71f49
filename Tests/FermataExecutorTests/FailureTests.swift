// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataEngine
import FermataExecutor
import FermataModel
import FermataPlan
import FermataTestSupport
import StorageTestSupport
import Synchronization
import Testing

@Suite struct FailureTests {
    /// Lets the n-th request of a kind fail, once.
    final class Fault: Sendable {
        private let left: Mutex<Int>
        private let kind: SimulatedHypervisor.Request

        init(_ kind: SimulatedHypervisor.Request, occurrence: Int) {
            self.kind = kind
            left = Mutex(occurrence)
        }

        func reach(_ request: SimulatedHypervisor.Request) throws {
            guard request == kind else { return }
            let isNow = left.withLock { left in
                left -= 1
                return left == 0
            }
            if isNow { throw HypervisorError.injected }
        }

        var isMet: Bool { left.withLock { $0 <= 0 } }
    }

    static let recipe = TestLab.recipe([
        .start("web"), .ready, .sh("set count 7; write 0 hello"), .hold("clean"), .sh("set count 8; write 0 wiped"),
        .revert("web"), .sh("get count", Expectation(equals: "7")), .sh("read 0 5", Expectation(equals: "hello")),
        .shutDown("web", within: .seconds(60), orElse: .fail),
    ])

    @Test(arguments: SimulatedHypervisor.Request.allCases, [1, 2])
    func `a hypervisor that fails leaves the lab whole`(
        _ request: SimulatedHypervisor.Request, occurrence: Int
    ) async throws {
        let fault = Fault(request, occurrence: occurrence)
        let lab = try TestLab(SimulatedHypervisor(before: fault.reach))
        for _ in 1...3 where !fault.isMet {
            let (_, error) = try await lab.run(Self.recipe)
            if let error { #expect(fault.isMet, "\(error)") }
            #expect(lab.hypervisor.liveMachines == 0)
        }
        #expect(fault.isMet)
        // Whatever happened, the same recipe runs to its end afterwards.
        let (_, error) = try await lab.run(Self.recipe)
        #expect(error == nil)
    }

    @Test func `boot files that change after planning are noticed`() async throws {
        let lab = try TestLab()
        let plan = try lab.lab.plan(Self.recipe, in: lab.folder.path)
        try lab.write("kernel", "another kernel")
        let executor = PlanExecutor(plan, in: lab.lab, recipeFolder: lab.folder.path)
        let error = await #expect(throws: RunError.self) { try await executor.run() }
        #expect(error?.code == .stale)
        #expect(try await lab.run(Self.recipe).error == nil)
    }

    @Test func `a machine that another host holds is not touched`() async throws {
        let lab = try TestLab()
        #expect(try await lab.run(Self.recipe).error == nil)
        let plan = try lab.lab.plan(Self.recipe, in: lab.folder.path)
        let handle = try lab.lab.open("web")
        let before = try lab.contents()
        #expect(try lab.lab.inventory(for: Self.recipe, in: lab.folder.path).machines.first?.state == .running)
        #expect(throws: (any Error).self) { try lab.lab.plan(Self.recipe, in: lab.folder.path) }
        let executor = PlanExecutor(plan, in: lab.lab, recipeFolder: lab.folder.path)
        let error = await #expect(throws: RunError.self) { try await executor.run() }
        #expect(error?.code == .lab)
        #expect(error?.message.contains("in use") == true)
        #expect(try lab.contents() == before)
        #expect(try await handle.state == .off)
    }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import FermataTestSupport
import Testing

@testable import FermataEngine

/// Pausing, saving and starting again lose nothing of a real machine; the proof's negative controls are those of
/// ``ExactnessTests``.
@Suite(.serialized) struct SavedTests {
    @Test func `what was paused or saved goes on at that very moment, and so do checkpoints of it`() async throws {
        let lab = try LiveLab()
        let disks = [
            MachineDefinition.Disk(name: "system", size: .mebibytes(64)),
            MachineDefinition.Disk(name: "data", size: .mebibytes(32), format: .vhdx),
        ]
        let host = try await lab.running(processors: 2, disks: disks, hasNetwork: true)
        let exactness = try await Exactness(host)

        var discarded = try await exactness.spend(ticks: 3)
        _ = try await host.revert(ending: .paused)
        #expect(await host.state == .paused)
        try await host.resume()
        #expect(await exactness.problems(after: discarded).isEmpty, "paused and resumed")

        discarded = try await exactness.spend(ticks: 3)
        _ = try await host.revert(ending: .paused)
        try await host.save()
        #expect(await host.state == .saved)
        try await host.start()
        #expect(await exactness.problems(after: discarded).isEmpty, "saved and started")

        discarded = try await exactness.spend(ticks: 3)
        _ = try await host.apply(exactness.checkpoint, ending: .paused)
        let paused = try await host.checkpoint(CheckpointRequest(name: "while paused")).id
        try await host.save()
        let saved = try await host.checkpoint(CheckpointRequest(name: "while saved")).id
        try await host.turnOff()
        #expect(try await host.apply(saved).way == .saved)
        try await host.start()
        #expect(await exactness.problems(after: discarded).isEmpty, "a saved machine's checkpoint")

        discarded = try await exactness.spend(ticks: 3)
        _ = try await host.apply(paused)
        #expect(await host.state == .paused)
        try await host.resume()
        #expect(await exactness.problems(after: discarded).isEmpty, "a paused machine's checkpoint")

        // A machine that runs is saved in the middle of its work.
        let before = try await exactness.spend(ticks: 2).tick
        try await host.save()
        try await host.start()
        let after = try await Exactness.tick(host, .minutes(2))
        #expect(after.number == before.number + 1 && after.boot == before.boot && after.nonce == before.nonce)
        #expect(after.bad == 0)
        try await host.turnOff()
    }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import FermataTestSupport
import Testing

@testable import FermataEngine

/// The trash of a real machine.
@Suite(.serialized) struct LiveTrashTests {
    @Test func `a checkpoint that was deleted while the guest ran comes back, and is that very moment`() async throws {
        let lab = try LiveLab()
        try lab.folder.setTrashBudget(.standard)
        let host = try await lab.running()
        let exactness = try await Exactness(host)
        let before = try await exactness.spend(ticks: 2)
        try await host.delete([exactness.checkpoint])
        #expect(await host.files.checkpoints.isEmpty)
        #expect(try await exactness.spend(ticks: 2).tick.boot == before.tick.boot)
        try await host.restoreFromTrash(exactness.checkpoint, as: nil)
        let discarded = try await exactness.spend(ticks: 1)
        _ = try await host.apply(exactness.checkpoint)
        #expect(await exactness.problems(after: discarded).isEmpty)

        // What the guest was then can be had back, too, as its disks were.
        let now = try #require(try MachineTrash(of: await host.files).entries.first)
        #expect(now.name.description.hasPrefix("now ") && now.bytes > 0)
        try await host.restoreFromTrash(now.id, as: "lost")
        #expect(await host.files.tree[now.id]?.parent == exactness.checkpoint)
        _ = try await host.apply(now.id)
        try await host.start()
        _ = try await host.waitForConsole(.plain("fermata tiny guest ready"), within: .minutes(5))
        try await host.delete([now.id, exactness.checkpoint])
        let outcome = try await host.emptyTrash(olderThan: nil, keeping: nil)
        #expect(outcome.count >= 2 && outcome.bytes > 0)
        try await host.mergeDisks()
        #expect(try UnownedDisks(of: host.folder).next(except: []) == nil)
        let record = await host.files
        #expect(try record.diskFiles(of: record.now).first?.chain.count == 1)
        try await host.turnOff()
    }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import FermataTestSupport
import Testing

@testable import FermataEngine

/// Hosts are killed while they record what checkpoints read as, beside a guest that writes.
@Suite(.serialized) struct DigestCrashTests {
    @Test func `what a killed host leaves pending is worked out by the next one that runs`() async throws {
        let lab = CrashLab()
        _ = try await lab.host(
            [
                "create=\(try TinyGuest.find().folder)", "start", CrashTests.witness, "tick=2", "checkpoint=first",
                "tick=2", "merge",
            ], comment: "boot")
        func pending() throws -> Int {
            try MachineRecord(reading: lab.machineFolder).checkpoints.values.count(where: \.isDigestPending)
        }
        func expectWhole(_ comment: Comment) throws {
            let ids = try MachineRecord(reading: lab.machineFolder).checkpoints.keys.sorted()
            let found = try lab.machineFolder.verify(ids)
            #expect(found.count == ids.count && found.allSatisfy(\.isOK), "\(comment): \(found)")
        }
        #expect(try pending() == 0)
        for (number, point) in ["before digests", "after digests"].enumerated() {
            let run = try await lab.host(
                ["open", "apply=first", "tick=2", "checkpoint=c\(number)", "tick=1", "merge"], fault: point,
                comment: point)
            #expect(run.wasKilled, "\(point) was not reached")
            #expect(try pending() == 1 - number, "\(point)")
            try expectWhole("\(point)")
            _ = try await lab.host(["open", "apply=first", "tick=1", "merge"], comment: "after \(point)")
            #expect(try pending() == 0, "\(point)")
            try expectWhole("after \(point)")
        }
    }
}

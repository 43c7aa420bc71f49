// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import FermataTestSupport
import Foundation
import StorageTestSupport
import Testing

@testable import FermataEngine

/// Disks of deleted checkpoints are merged while a real guest writes and flushes checksummed sectors all the time.
///
/// After each host, be it killed or not, every checkpoint's disk and now's hold what was flushed before, and nothing newer.
@Suite(.serialized) struct LiveMergeCrashTests {
    static let isLong = ProcessInfo.processInfo.environment["FERMATA_TEST_ALL"] != nil

    /// `first ─ a ─ b ─ c ─ now`: what goes with `b` lies between two disks that are sealed, with `c` beneath now's own.
    private static func operations(_ number: Int) -> [String] {
        let names = ["a", "b", "c"].map { "\($0)\(number)" }
        return ["open", "apply=first", "tick=2"] + names.flatMap { ["checkpoint=\($0)", "tick=2"] }
            + ["delete=\(names[1])", "merge", "tick=2", "delete=\(names[2])", "merge", "tick=2"]
    }

    private func chain(of checkpoint: String?, in lab: CrashLab) throws -> Int {
        let record = try MachineRecord(reading: lab.machineFolder)
        let configuration = try checkpoint.map { try record.checkpoint($0).id }.flatMap { record.checkpoints[$0] }
        return try record.diskFiles(of: configuration ?? record.now)[0].chain.count
    }

    @Test(arguments: isLong ? ["create", "create-vhdx"] : ["create"])
    func `a host killed while it merges leaves every checkpoint and now as they were`(creation: String) async throws {
        let lab = CrashLab()
        _ = try await lab.host(
            [
                "\(creation)=\(try TinyGuest.find().folder)", "start", CrashTests.witness, "tick=3", "checkpoint=first",
                "tick=3",
            ], comment: "boot")
        var points = ["merge copied", "merge copied:2", "after configuration:4", "merge committed:2"]
        if Self.isLong { points += ["merge committed", "before configuration:4"] }
        for (number, point) in points.enumerated() {
            let run = try await lab.host(Self.operations(number), fault: point, comment: point)
            #expect(run.wasKilled, "\(point) was not reached")
        }
        let end = try await lab.host(Self.operations(points.count), comment: "the end")
        #expect(!end.wasKilled)
        // Now has grown from the file of `c` and that of `b`, and a file of its own after `a`.
        #expect(try chain(of: nil, in: lab) == chain(of: "a\(points.count)", in: lab) + 1)
        try lab.expectNothingLeftOver()
    }

    @Test func `an inner checkpoint with three children goes under load, stopped, resumed and killed half-way`()
        async throws
    {
        let lab = CrashLab()
        _ = try await lab.host(
            [
                "create=\(try TinyGuest.find().folder)", "start", CrashTests.witness, "tick=3", "checkpoint=first",
                "tick=3",
                "checkpoint=inner", "tick=3", "checkpoint=one", "tick=1", "apply=inner", "tick=3", "checkpoint=two",
                "tick=1", "apply=inner", "tick=3", "checkpoint=three", "tick=2",
            ], comment: "three children")
        // As long as several disks grew from its own, that stays.
        let shared = try await lab.host(["open", "apply=three", "tick=2", "delete=inner", "tick=1"], comment: "shared")
        #expect(!shared.wasKilled)
        #expect(try ["one", "two", "three"].map { try chain(of: $0, in: lab) } == [3, 3, 3])
        // So slow that it is under way until it is stopped, and the guest writes all the while.
        let killed = try await lab.host(
            [
                "open", "apply=three", "tick=1", "rate=16384", "delete=one", "delete=two", "tick=2", "stop-merge",
                "tick=1",
                "merge=16384", "tick=2", "shell=echo still merging", "tick=1",
            ], comment: "killed"
        ) { program, line in
            if line.hasPrefix("end 10 ") { program.kill() }
        }
        #expect(killed.wasKilled)
        #expect(try chain(of: "three", in: lab) == 3)
        let resumed = try await lab.host(["open", "apply=three", "tick=2", "merge", "tick=2"], comment: "resumed")
        #expect(!resumed.wasKilled)
        #expect(try chain(of: "three", in: lab) == 2)
        try lab.expectNothingLeftOver()
    }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import FermataTestSupport
import Foundation
import StorageTestSupport
import Testing

@testable import FermataEngine

/// A host is killed at each point of a save, of a start from what was saved, and of discarding it.
///
/// ```
///   running ──save──► saved ──restart──► running ──save──► saved ──off──► off
///           ▲ killed: off, or saved and whole              ▲ killed: saved and whole, or off
/// ```
@Suite(.serialized) struct SaveCrashTests {
    /// Where a host is killed, and what the machine is then.
    static let points: [(fault: String, state: MachineState)] = [
        ("saved memory written", .off), ("before save", .off), ("after save", .saved),
        ("before start", .saved), ("after start", .off), ("saved memory removed:2", .off),
        ("saved memory written:2", .off), ("before save:2", .off), ("after save:2", .saved),
        ("before discard", .saved), ("after discard", .off), ("saved memory removed:3", .off),
    ]

    @Test func `a machine is saved and whole, or off with all that was flushed, whenever its host is killed`()
        async throws
    {
        #expect(Set(Self.points.map { Self.name(of: $0.fault) }) == Set(FaultPoint.saving.map(\.name)))
        let lab = CrashLab()
        _ = try await lab.host(
            [
                "create=\(try TinyGuest.find().folder)", "start", CrashTests.witness, "tick=3", "checkpoint=first",
                "tick=2",
            ],
            comment: "boot")
        for (fault, state) in Self.points {
            let run = try await lab.host(
                ["open", "apply=first", "tick=2", "save", "restart", "tick=2", "save", "off"], fault: fault,
                comment: fault)
            #expect(run.wasKilled, "\(fault) was not reached")
            #expect(try MachineRecord(reading: lab.machineFolder).stateAtRest == state, "\(fault)")
            try lab.expectNothingLeftOver()
            guard state == .saved else { continue }
            let next = try await lab.host(["restart", "tick=1"], comment: "started after \(fault)")
            let (before, after) = try (#require(run.ticks.last), #require(next.ticks.first))
            #expect(after.number == before.number + 1 && after.bad == 0, "\(fault)")
            #expect(after.boot == before.boot && after.nonce == before.nonce, "\(fault)")
            try lab.expectNothingLeftOver()
        }
    }

    @Test func `a host killed at random moments of saving and starting leaves the state before or after`() async throws
    {
        let lab = CrashLab()
        _ = try await lab.host(
            ["create-vhdx=\(try TinyGuest.find().folder)", "start", CrashTests.witness, "tick=3", "checkpoint=first"],
            comment: "boot")
        var seed = UInt64.random(in: 0...UInt64.max)
        if let text = ProcessInfo.processInfo.environment["FERMATA_TEST_SEED"] { seed = UInt64(text) ?? seed }
        print("random moments of saving: FERMATA_TEST_SEED=\(seed)")
        var random = SeededGenerator(seed: seed)
        for _ in 0..<(CrashTests.isLong ? 24 : 5) {
            let isSaved = try MachineRecord(reading: lab.machineFolder).stateAtRest == .saved
            let operations = [
                isSaved ? "restart" : "apply=first", "tick=1", "save", "restart", "tick=2", "save", "restart",
                "tick=40",
            ]
            let index = Int.random(in: 2..<6, using: &random)
            let delay = Int.random(in: 0...250, using: &random)
            let comment = "seed \(seed), \(delay) ms after the begin of operation \(index)"
            let run = try await lab.host(operations, comment: comment) { program, line in
                guard line.hasPrefix("begin \(index) ") else { return }
                DispatchQueue.global().asyncAfter(deadline: .now() + .milliseconds(delay)) { program.kill() }
            }
            #expect(run.wasKilled, "\(comment)")
            #expect(run.ticks.allSatisfy { $0.bad == 0 }, "\(comment)")
            try lab.expectNothingLeftOver()
        }
    }

    private static func name(of fault: String) -> String {
        let words = fault.split(separator: ":")[0].split(separator: " ")
        return words.drop { $0 == "before" || $0 == "after" }.joined(separator: " ")
    }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import Foundation
import StorageTestSupport
import Synchronization
import SystemPackage
import Testing

@testable import FermataEngine

/// Two real machines that count together are held at one moment, and come back to it as often as one likes.
@Suite struct LabCheckpointTests {
    /// Lets machines count until it is over.
    private final class Counting: Sendable {
        let isOver = Mutex(false)
        let counted = Mutex(0)

        func run(_ machines: [MachineHost]) async {
            while !isOver.withLock({ $0 }) {
                let number = counted.withLock { $0 } + 1
                // A number that a restore takes away is followed by the next.
                for machine in machines { _ = try? await machine.output(of: LabCheckpointTests.count(number)) }
                counted.withLock { $0 = number }
            }
        }

        /// Waits until so many more are counted; the machine's own commands tell the time.
        func wait(_ more: Int, _ machine: MachineHost) async {
            let number = counted.withLock { $0 } + more
            while counted.withLock({ $0 }) < number { _ = try? await machine.output(of: "true") }
        }
    }

    static let count = ProcessInfo.processInfo.environment["FERMATA_TEST_ALL"] == nil ? 8 : 50

    /// Counts in memory and on disk.
    private static func count(_ number: Int) -> String {
        "echo \(number) > /tmp/count; printf '%-8s' \(number) | dd of=/dev/vda bs=512 seek=100 conv=sync,fsync 2>/dev/null"
    }

    private static let read =
        "cat /tmp/count; dd if=/dev/vda bs=512 skip=100 count=1 iflag=direct 2>/dev/null | head -c 8"

    @Test func `two guests that count together come back to the same numbers each time`() async throws {
        let lab = try LiveLab()
        let web = try await lab.running(MachineName("web"))
        let db = try await lab.running(MachineName("db"))
        let machines = [web, db]
        let counter = Counting()
        let counting = Task { await counter.run(machines) }
        func numbers(_ machine: MachineHost) async throws -> (memory: Int, disk: Int) {
            let words = try await machine.output(of: Self.read).split(whereSeparator: \.isWhitespace).compactMap {
                Int($0)
            }
            try #require(words.count == 2, "\(words)")
            return (words[0], words[1])
        }
        await counter.wait(5, db)
        let held = try await lab.folder.checkpoint(CheckpointRequest(name: "held"), of: machines).checkpoint
        let alone = try await web.checkpoint(CheckpointRequest(name: "alone")).id
        await counter.wait(3, db)
        let later = try await db.checkpoint(CheckpointRequest(name: "later")).id
        counter.isOver.withLock { $0 = true }
        await counting.value
        var seen: Set<[Int]> = []
        var ways: [RestoreOutcome.Way: Int] = [:]
        for round in 0..<Self.count {
            let outcomes = try await lab.folder.apply(held, to: machines)
            for way in outcomes.compactMap(\.way) { ways[way, default: 0] += 1 }
            let (w, d) = (try await numbers(web), try await numbers(db))
            seen.insert([w.memory, w.disk, d.memory, d.disk])
            // The one counts after the other, and on its disk after in its memory.
            #expect((0...1).contains(w.memory - d.memory), "round \(round): web \(w), db \(d)")
            #expect((0...1).contains(w.memory - w.disk) && (0...1).contains(d.memory - d.disk), "round \(round)")
            // What is lost again.
            for machine in machines { _ = try await machine.output(of: Self.count(900_000 + round)) }
        }
        #expect(seen.count == 1, "\(seen)")
        print("\(Self.count) restores of two machines: \(ways)")
        // The control: two moments that were held one after the other do not fit.
        _ = try await web.apply(alone)
        _ = try await db.apply(later)
        #expect(try await numbers(db).memory - numbers(web).memory >= 2)
        for machine in machines { await machine.close() }
    }
}

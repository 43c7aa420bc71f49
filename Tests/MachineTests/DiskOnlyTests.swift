// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import FermataTestSupport
import Testing

@testable import FermataEngine

/// A disk-only checkpoint of a real guest that writes and flushes all the time.
@Suite(.serialized) struct DiskOnlyTests {
    private func problems(
        of configuration: Configuration, in folder: MachineFolder, from before: Tick, to after: Tick
    ) throws -> [String] {
        let chain = try #require(DiskFiles.chains(of: configuration, in: folder).first)
        return WitnessDisk(
            try WitnessDisk.bytes(of: chain, sectors: before.sectors), seed: before.seed, sectors: before.sectors,
            flushed: before.flushed, issued: after.issued
        ).problems
    }

    @Test func `its disks have all that was flushed before it and nothing that came later, and the guest goes on`()
        async throws
    {
        let lab = try LiveLab()
        let host = try await lab.running()
        _ = try await host.output(of: "witness run --disk /dev/vda --sectors 4096 --console > /dev/null 2>&1 &")
        for number in 1...3 {
            var before = try await Exactness.tick(host, .minutes(2))
            before = try await Exactness.tick(host, .minutes(2))
            let request = CheckpointRequest(name: CheckpointName("disks \(number)"), kind: .diskOnly)
            let outcome = try await host.checkpoint(request)
            print("disk-only: pause of", outcome.pauseMicroseconds, "microseconds")
            // What was said up to here was said before the end of the checkpoint at the latest.
            let said = Tick.all(in: String(decoding: host.console.unmatched, as: UTF8.self)).last?.number ?? 0
            var after = try await Exactness.tick(host, .minutes(2))
            while after.number <= said { after = try await Exactness.tick(host, .minutes(2)) }
            #expect(after.boot == before.boot && after.nonce == before.nonce && after.bad == 0)
            let record = await host.files
            let configuration = try #require(record.checkpoints[outcome.id])
            #expect(try problems(of: configuration, in: host.folder, from: before, to: after) == [])
            // The check finds what is missing: far more than was flushed by then is not there.
            for _ in 0..<3 { after = try await Exactness.tick(host, .minutes(2)) }
            let lost = try problems(of: configuration, in: host.folder, from: after, to: after)
            #expect(lost.contains { $0.hasPrefix("lost:") }, "\(lost)")
            guard number == 3 else { continue }
            let restored = try await host.apply(outcome.id)
            #expect(restored.way == .off)
            #expect(await host.state == .off)
            #expect(try problems(of: await host.files.now, in: host.folder, from: before, to: after) == [])
        }
        // It boots from what a power cut would have left.
        try await host.start()
        _ = try await host.waitForConsole(.plain("fermata tiny guest ready"), within: .minutes(5))
        try await host.turnOff()
    }
}

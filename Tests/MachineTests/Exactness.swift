// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import FermataTestSupport
import SystemPackage
import VirtualDisk

@testable import FermataEngine

/// The proof that a restore is exact, as far as it can be had from outside and from inside the guest.
///
/// The guest counts in memory, holds a random number that exists nowhere else, and writes and flushes its disk all the
/// time. After a restore the first tick is the one after the checkpoint's last, by the same boot, the same number and
/// a clock that goes on from there; a file of 32 MiB in memory has the same digest; the disk agrees with what the
/// guest's memory knows of it.
struct Exactness {
    let host: MachineHost
    let checkpoint: GUID
    /// The last tick before the checkpoint.
    let last: Tick
    let digest: String
    /// The most by which the guest's clock at the checkpoint was ahead of its last tick.
    let ahead: Duration
    /// How long a tick is waited for: long enough for any machine when the restore is right.
    let patience: TimeSpan

    /// Sets a running guest to work, and takes the checkpoint in the middle of it.
    init(_ host: MachineHost, name: CheckpointName = "clean", patience: TimeSpan = .minutes(2)) async throws {
        self.host = host
        self.patience = patience
        _ = try await host.output(of: "dd if=/dev/urandom of=/tmp/ram bs=1M count=32 2>/dev/null")
        digest = try await host.output(of: "sha256sum < /tmp/ram")
        let began = ContinuousClock.now
        // A small part of the disk, so that writes soon cover what others wrote.
        _ = try await host.output(of: "witness run --disk /dev/vda --sectors 16384 --console > /dev/null 2>&1 &")
        var seen = try await Self.tick(host, .minutes(2))
        for _ in 0..<3 { seen = try await Self.tick(host, .minutes(2)) }
        checkpoint = try await host.checkpoint(CheckpointRequest(name: name)).id
        last = try Self.lastTick(of: checkpoint, host) ?? seen
        // The guest's clock is never faster than the host's, and the tick was printed after the witness began.
        ahead = .now - began
    }

    /// The last tick on the console at a checkpoint; nil when all had been waited for.
    static func lastTick(of checkpoint: GUID, _ host: MachineHost) throws -> Tick? {
        let state = try SavedState(reading: host.folder.deviceState(checkpoint))
        return Tick.all(in: String(decoding: state.console, as: UTF8.self)).last
    }

    /// The first tick that the guest makes after a checkpoint was applied.
    static func firstTick(after checkpoint: GUID, _ host: MachineHost) async throws -> Tick {
        let last = try lastTick(of: checkpoint, host)?.number ?? 0
        var tick = try await Self.tick(host, .minutes(2))
        while tick.number <= last { tick = try await Self.tick(host, .minutes(2)) }
        return tick
    }

    /// The next tick on the console.
    static func tick(_ host: MachineHost, _ limit: TimeSpan) async throws -> Tick {
        let line = try await host.waitForConsole(.pattern(Tick.pattern), within: limit)
        guard let tick = Tick(line) else { throw EngineError(.guest, "no tick: \(line)") }
        return tick
    }

    /// A future that will be discarded.
    struct Future {
        /// Its last tick.
        var tick: Tick
        /// When that was seen; a restore begins later.
        var end: ContinuousClock.Instant
    }

    /// Lets the guest go on for a while.
    func spend(ticks: Int = 10) async throws -> Future {
        var tick = last
        for _ in 0..<ticks { tick = try await Self.tick(host, patience) }
        return Future(tick: tick, end: .now)
    }

    /// What is not as it was at the checkpoint, after a restore that followed `discarded`.
    func problems(after discarded: Future) async -> [String] {
        var found: [String] = []
        do {
            var tick = try await Self.tick(host, patience)
            while tick.number < last.number, tick.boot == last.boot { tick = try await Self.tick(host, patience) }
            if tick.number == last.number { tick = try await Self.tick(host, patience) }
            if tick.number != last.number + 1 { found.append("tick \(tick.number) follows tick \(last.number)") }
            if tick.boot != last.boot { found.append("another boot") }
            if tick.nonce != last.nonce { found.append("another nonce") }
            if tick.monotonic < last.monotonic { found.append("the clock went back behind the checkpoint") }
            // Only what passed since the restore may have: on a busy host that can be more than was discarded.
            let passed = Duration.milliseconds(tick.monotonic - min(tick.monotonic, last.monotonic))
            if passed > ahead + (.now - discarded.end) { found.append("the discarded time has passed") }
            if tick.issued < last.issued || tick.flushed < last.flushed { found.append("writes were forgotten") }
            for _ in 0..<2 {
                let next = try await Self.tick(host, patience)
                if next.number != tick.number + 1 { found.append("tick \(next.number) follows tick \(tick.number)") }
                if next.bad > 0 { found.append("the disk is not what memory knows: \(next.bad) bad sectors") }
                tick = next
            }
            found += try await diskProblems(tick)
            let digest = try await host.run(.shell("sha256sum < /tmp/ram"), within: patience)
            let text = String(decoding: digest.standardOutput, as: UTF8.self)
            if !text.hasPrefix(self.digest) { found.append("the file in memory has another digest") }
        } catch {
            found.append("the guest does not answer: \(error)")
        }
        return found
    }

    /// What the disk behind the running guest lacks, and what of the discarded future it still has.
    private func diskProblems(_ before: Tick) async throws -> [String] {
        guard let chain = await host.running?.chains.first else { return ["there is no disk"] }
        let image = try WitnessDisk.bytes(of: chain, sectors: before.sectors)
        // What is on the console already was said before the disk was read.
        let said = Tick.all(in: String(decoding: host.console.unmatched, as: UTF8.self)).last?.number ?? 0
        var after = try await Self.tick(host, patience)
        while after.number <= said { after = try await Self.tick(host, patience) }
        return WitnessDisk(
            image, seed: before.seed, sectors: before.sectors, flushed: before.flushed, issued: after.issued
        ).problems
    }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import Foundation
import Testing

@testable import FermataEngine

/// Nothing of a discarded future arrives: not on the console, not on the command channel.
@Suite(.serialized) struct ChannelTests {
    @Test(arguments: [HostSettings.RestoreWay.inPlace, .freshProcess])
    func `no byte that was sent in a discarded future arrives`(way: HostSettings.RestoreWay) async throws {
        let lab = try LiveLab()
        let host = try await lab.running(settings: HostSettings(restoreWay: way))
        // What is typed before the shell has opened the console is lost, as on any machine.
        let shell =
            "i=0; until [ -s /run/console-shell ] || [ $((i += 1)) -gt 50 ]; do usleep 20000; done; "
            + "[ -s /run/console-shell ]"
        repeat { try await host.type("\n") } while try await host.run(.shell(shell)).exitCode != 0
        // The shell reads what it is sent only when the line before is done.
        try await host.type("echo first-$((40 + 2)); sleep 3600\n")
        _ = try await host.waitForConsole(.plain("first-42"), within: .minutes(2))
        // Who opens one waits for the other side.
        _ = try await host.output(of: "mkfifo /tmp/begun /tmp/go")
        _ = try await host.checkpoint(CheckpointRequest(name: "clean"))
        for round in 1...3 {
            // Far more than the serial line, QEMU and the socket hold: some of it is still on its way at the revert.
            let flood = Task {
                try await host.type(String(repeating: "echo leak-$((1 + 1))\n", count: 40_000))
            }
            let command = Task {
                try await host.run(
                    .shell(
                        "touch /tmp/started-\(round); echo > /tmp/begun; cat /tmp/go; true"
                    ),
                    within: .minutes(2))
            }
            _ = try await host.output(of: "cat /tmp/begun")
            let isRunning = "grep -qs '[s]tarted-\(round)' /proc/[0-9]*/cmdline"
            #expect(try await host.run(.shell(isRunning)).exitCode == 0, "round \(round)")
            #expect(try await host.revert().way == (way == .inPlace ? .inPlace : .freshProcess))
            try? await flood.value
            let error = await #expect(throws: EngineError.self) { try await command.value }
            #expect(error?.code == .reverted, "round \(round)")
            // The end of the sleep lets the shell read whatever arrived, then the line that is sent now.
            _ = try await host.output(of: "killall sleep")
            try await host.type("echo fresh-$((\(round) + 70))\n")
            let text = try await host.waitForConsole(
                .pattern("(?s)^.*\nfresh-\(round + 70)"), within: .minutes(2))
            #expect(!text.contains("leak"), "round \(round)")
            // Frames arrive in order, so the command would have come before this one: it neither runs nor has begun.
            #expect(try await host.run(.shell(isRunning)).exitCode != 0, "round \(round)")
            #expect(try await host.run(.shell("test -e /tmp/started-\(round)")).exitCode == 1, "round \(round)")
        }
        try await host.turnOff()
    }

    @Test func `a checkpoint in the middle of much output loses none of it`() async throws {
        let lab = try LiveLab()
        let host = try await lab.running()
        let line =
            "i=0; while [ $i -lt 4 ]; do dd if=/dev/zero bs=64k count=16 2>/dev/null; i=$((i+1)); done | tr '\\0' x"
        let command = Task { try await host.run(.shell(line), within: .minutes(5)) }
        for round in 1...3 {
            _ = try await host.checkpoint(CheckpointRequest(name: CheckpointName("during \(round)")))
        }
        let result = try await command.value
        #expect(result.exitCode == 0)
        #expect(result.standardOutput.count == 4 << 20)
        #expect(result.standardOutput.allSatisfy { $0 == UInt8(ascii: "x") })
        for round in 1...3 {
            let id = try await host.files.checkpoint("during \(round)").id
            _ = try await host.apply(id)
            #expect(try await host.output(of: "echo alive") == "alive", "round \(round)")
        }
        try await host.turnOff()
    }

    /// A child can die with the thread that started it, so the threads must really end.
    @Test func `a machine survives while a thousand tasks and threads come and go in its host`() async throws {
        let lab = try LiveLab()
        let host = try await lab.running()
        let boot = try await host.output(of: "cat /proc/sys/kernel/random/boot_id")
        await withTaskGroup(of: Int.self) { group in
            for number in 0..<1000 { group.addTask { (0..<1000).reduce(number, &+) } }
            await group.waitForAll()
        }
        for _ in 0..<1000 {
            await withCheckedContinuation { continuation in Thread { continuation.resume() }.start() }
        }
        #expect(try await host.output(of: "cat /proc/sys/kernel/random/boot_id") == boot)
        try await host.turnOff()
    }

    @Test func `a guest that powers itself off leaves a machine that is off, and can start again`() async throws {
        let lab = try LiveLab()
        let host = try await lab.running()
        _ = try await host.output(of: "echo kept | dd of=/dev/vda conv=sync,fsync 2>/dev/null")
        _ = try? await host.run(.shell("poweroff"), within: .minutes(1))
        await host.waitUntilOff()
        #expect(await host.state == .off)
        try await host.start()
        _ = try await host.waitForConsole(.plain("fermata tiny guest ready"), within: .minutes(5))
        #expect(try await host.output(of: "head -c 4 /dev/vda") == "kept")
        try await host.shutDown(within: .minutes(2))
    }
}

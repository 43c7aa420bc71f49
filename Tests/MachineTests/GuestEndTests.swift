// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import Foundation
import StorageTestSupport
import Testing

@testable import FermataEngine

/// Guests that give up, and processes that are taken away.
struct GuestEndTests {
    @Test func `a machine whose process is killed is off, says so, and has all that its guest flushed`() async throws {
        let lab = try LiveLab()
        // Its process is told from those of other tests by the name.
        let name = "end-\(UUID().uuidString)"
        let process = "qemu-system.*\(name)"
        let host = try await lab.running(MachineName(name))
        let first = try await host.checkpoint(CheckpointRequest(name: "first")).id
        _ = try await host.output(of: "echo flushed > /tmp/word; dd if=/tmp/word of=/dev/vda conv=sync,fsync")
        var events = host.events().makeAsyncIterator()
        let waiting = Task { try await host.output(of: "sleep 1234") }
        let killed = try await Tool("pkill").run(["-KILL", "-f", process])
        #expect(killed.code == 0, "\(killed)")
        var told: [MachineEvent.Kind] = []
        while let event = await events.next() {
            told.append(event.kind)
            if case .state(.off, _) = event.kind { break }
        }
        let reason = "QEMU of machine '\(name)' ended by itself: signal 9 ended it."
        #expect(told == [.processEnded(reason), .state(.off, reason: reason)])
        #expect(await host.status == MachineStatus(state: .off, reason: reason))
        await #expect(throws: EngineError.self) { _ = try await waiting.value }

        try await host.start()
        #expect(try await host.output(of: "head -c 7 /dev/vda") == "flushed")
        _ = try await host.apply(first)
        #expect(try await host.output(of: "head -c 7 /dev/vda | tr -d '\\0'") == "")
        await host.close()
        #expect(!host.folder.isInUse)
        #expect(try await Tool("pgrep").run(["-f", process]).code == 1)
    }

    @Test func `a guest whose kernel gives up restarts, and a revert brings it back`() async throws {
        let lab = try LiveLab()
        let host = try await lab.running()
        _ = try await host.output(of: "echo alive > /tmp/word")
        _ = try await host.checkpoint(CheckpointRequest(name: "alive"))
        let panic = Task { try await host.output(of: "echo c > /proc/sysrq-trigger") }
        try await host.waitForReboot(within: .minutes(2))
        await #expect(throws: (any Error).self) { _ = try await panic.value }
        _ = try await host.waitForConsole(.plain("fermata tiny guest ready"), within: .minutes(2))
        #expect(try await host.run(.shell("cat /tmp/word"), within: .minutes(2)).exitCode == 1)
        _ = try await host.revert()
        #expect(try await host.output(of: "cat /tmp/word") == "alive")
        try await host.turnOff()
    }
}

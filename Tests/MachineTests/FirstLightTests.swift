// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataEngine
import FermataModel
import Testing

struct FirstLightTests {
    @Test func `a machine runs, is held still and comes back`() async throws {
        let lab = try LiveLab()
        let host = try await lab.running()
        #expect(try await host.output(of: "echo hello") == "hello")
        _ = try await host.output(
            of: "echo before > /tmp/word; echo disk-before | dd of=/dev/vda bs=512 conv=sync,fsync")
        let clean = try await host.checkpoint(CheckpointRequest(name: "clean"))
        print("pause", clean.pauseMicroseconds, "durable", clean.durableMilliseconds)
        for _ in 0..<3 {
            _ = try await host.output(
                of: "echo after > /tmp/word; echo disk-after | dd of=/dev/vda bs=512 conv=sync,fsync")
            let outcome = try await host.revert()
            print("revert", outcome.way, outcome.microseconds)
            #expect(outcome.way == .inPlace)
            #expect(try await host.output(of: "cat /tmp/word") == "before")
            #expect(try await host.output(of: "head -c 11 /dev/vda") == "disk-before")
        }
        await host.change(HostSettings(restoreWay: .freshProcess))
        _ = try await host.output(of: "echo after > /tmp/word")
        let outcome = try await host.revert()
        print("revert", outcome.way, outcome.microseconds)
        #expect(outcome.way == .freshProcess)
        #expect(try await host.output(of: "cat /tmp/word") == "before")
        try await host.shutDown(within: .seconds(60))
        #expect(await host.state == .off)
    }
}

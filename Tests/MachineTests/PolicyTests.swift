// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataEngine
import FermataModel
import Foundation
import Testing

/// The rules that a machine's owner gives it.
struct PolicyTests {
    @Test func `a guest is told the time after a restore where that is the rule, and checkpoints can be forbidden`()
        async throws
    {
        let lab = try LiveLab()
        let host = try await lab.running()
        func year() async throws -> String { try await host.output(of: "date -u +%Y") }
        _ = try await host.output(of: "date -u -s @1000000000")
        let before = try await host.checkpoint(CheckpointRequest(name: "before")).id
        _ = try await host.apply(before)
        #expect(try await year() == "2001")

        try await host.change(HardwareChange(clock: .host))
        let ruled = try await host.checkpoint(CheckpointRequest(name: "ruled")).id
        #expect(try await year() == "2001")
        _ = try await host.apply(ruled)
        let told = try #require(Int(try await host.output(of: "date -u +%s")))
        #expect(abs(told - Int(Date().timeIntervalSince1970)) < 60)
        // A checkpoint has the rules of its time.
        _ = try await host.apply(before)
        #expect(try await year() == "2001")
        #expect(await host.files.now.clock == .continue)

        try await host.change(HardwareChange(clock: .host, allowsCheckpoints: false))
        let error = await #expect(throws: EngineError.self) {
            try await host.checkpoint(CheckpointRequest(name: "third"))
        }
        #expect(error?.code == .wrongState)
        #expect(
            error?.description == "machine 'web' forbids checkpoints; allow them first, such as with 'fermata vm set "
                + "web --checkpoints allowed'")
        try await host.save()
        try await host.start()
        #expect(try await year() != "2001")
        #expect(try MachineRecord(reading: host.folder).now.allowsCheckpoints == false)
        try await host.change(HardwareChange(allowsCheckpoints: true))
        _ = try await host.checkpoint(CheckpointRequest(name: "third"))
        try await host.turnOff()
    }
}

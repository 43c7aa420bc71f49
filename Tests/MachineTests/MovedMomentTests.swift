// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import FermataTestSupport
import Foundation
import StorageTestSupport
import SystemPackage
import Testing

@testable import FermataEngine

/// A moment of a real guest that leaves its lab goes on in another one.
struct MovedMomentTests {
    @Test
    func `a moment that was exported while its machine ran goes on elsewhere, and here`() async throws {
        let folder = try TemporaryFolder()
        let lab = try LiveLab()
        let host = try await lab.running(
            disks: [
                .init(name: "system", size: .mebibytes(16)), .init(name: "data", size: .mebibytes(8), format: .vhdx),
            ])
        let boot = try await host.output(of: "cat /proc/sys/kernel/random/boot_id")
        _ = try await host.output(
            of: "echo held > /tmp/word; for d in vda vdb; do echo held | dd of=/dev/$d conv=fsync 2> /dev/null; done")
        let id = try await host.checkpoint(CheckpointRequest(name: "held")).id
        _ = try await host.output(of: "echo later > /tmp/word; echo later | dd of=/dev/vda conv=fsync 2> /dev/null")
        let place = folder.path.appending("out")
        try await host.export(id, to: place, withMemory: true)
        #expect(try await host.output(of: "cat /tmp/word") == "later")
        await host.close()

        let elsewhere = try LabFolder.create(folder.path.appending("elsewhere"))
        let machine = try elsewhere.importMachine(from: place)
        let moved = try MachineHost(of: machine, hypervisor: lab.hypervisor)
        try await moved.start()
        #expect(try await moved.output(of: "cat /tmp/word; head -c 4 /dev/vda; head -c 4 /dev/vdb") == "held\nheldheld")
        #expect(try await moved.output(of: "cat /proc/sys/kernel/random/boot_id") == boot)
        // It is a machine like any other.
        let again = try await moved.checkpoint(CheckpointRequest(name: "again")).id
        _ = try await moved.output(of: "echo gone > /tmp/word")
        _ = try await moved.apply(again)
        #expect(try await moved.output(of: "cat /tmp/word") == "held")
        await moved.close()
    }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import FermataTestSupport
import Foundation
import SystemPackage
import Testing

@testable import FermataEngine

/// Machines with everything that they can have.
@Suite(.serialized) struct DeviceTests {
    @Test func `two disks, two processors, random numbers and a network card are restored exactly`() async throws {
        let lab = try LiveLab()
        let host = try await lab.running(
            processors: 2,
            disks: [.init(name: "system", size: .mebibytes(64)), .init(name: "data", size: .mebibytes(16))],
            hasNetwork: true)
        let address = try #require(await host.files.now.devices.networkAddress)
        #expect(try await host.output(of: "nproc; cat /sys/class/net/eth0/address") == "2\n\(address)")
        _ = try await host.output(
            of: "ip link set eth0 up && ip addr add 10.0.0.1/24 dev eth0 && arp -s 10.0.0.2 52:54:00:00:00:01")
        _ = try await host.output(of: "echo before | dd of=/dev/vdb conv=fsync 2>/dev/null")
        let exactness = try await Exactness(host)
        for way in [HostSettings.RestoreWay.automatic, .freshProcess] {
            await host.change(HostSettings(restoreWay: way))
            _ = try await host.output(of: "ip addr del 10.0.0.1/24 dev eth0; ip link set eth0 down")
            _ = try await host.output(of: "echo after | dd of=/dev/vdb conv=fsync 2>/dev/null")
            let discarded = try await exactness.spend()
            #expect(try await host.revert().way == (way == .freshProcess ? .freshProcess : .inPlace))
            #expect(await exactness.problems(after: discarded).isEmpty)
            #expect(try await host.output(of: "head -c 6 /dev/vdb") == "before")
            #expect(
                try await host.output(
                    of: "ip addr show dev eth0 | grep -o '10.0.0.1/24'; cat /sys/class/net/eth0/carrier")
                    == "10.0.0.1/24\n1")
            #expect(try await host.output(of: "head -c 16 /dev/hwrng | wc -c") == "16")
            // A guest that sends to nobody is not held up: the card takes more than its queue holds.
            let sent = try await host.output(
                of: """
                    before=$(cat /sys/class/net/eth0/statistics/tx_packets)
                    for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do
                        ping -c 1 -W 1 -s 60000 10.0.0.2 > /dev/null &
                    done
                    wait
                    echo $(( $(cat /sys/class/net/eth0/statistics/tx_packets) - before ))
                    """)
            #expect((Int(sent) ?? 0) >= 512, "\(sent) packets")
        }
        try await host.turnOff()
    }

    @Test func `a machine whose configuration says nothing of devices has none`() async throws {
        let lab = try LiveLab()
        let made = try lab.machine()
        let file = await made.folder.configuration(of: made.files.id)
        await made.close()
        let text = try String(contentsOfFile: file.string, encoding: .utf8)
        let old = text.split(separator: "\n").filter { !$0.contains("<entropy") }.joined(separator: "\n")
        #expect(old != text)
        try Data(old.utf8).write(to: URL(fileURLWithPath: file.string))
        let host = try lab.host("web")
        try await host.start()
        _ = try await host.waitForConsole(.plain("fermata tiny guest ready"), within: .minutes(5))
        let look = "cat /sys/class/misc/hw_random/rng_current; ls /sys/class/net"
        #expect(try await host.output(of: look) == "none\nlo")
        // Applying a checkpoint, too, takes away what the machine did not have then.
        _ = try await host.checkpoint(CheckpointRequest(name: "bare"))
        #expect(!(try String(contentsOfFile: file.string, encoding: .utf8)).contains("entropy"))
        _ = try await host.revert()
        #expect(try await host.output(of: look) == "none\nlo")
        try await host.turnOff()
    }
}

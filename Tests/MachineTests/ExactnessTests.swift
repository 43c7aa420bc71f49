// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import FermataModel
import FermataTestSupport
import Foundation
import QEMUDriver
import Testing
import VirtualDisk

@testable import FermataEngine

/// Every claim here is made of a real machine, and has controls that must fail.
@Suite(.serialized) struct ExactnessTests {
    /// Short in a quick run, long when everything is asked for.
    static let reverts = ProcessInfo.processInfo.environment["FERMATA_TEST_ALL"] == nil ? 20 : 100

    @Test func `every revert in a row is exact, and the guest still reboots`() async throws {
        let lab = try LiveLab()
        let host = try await lab.running()
        let exactness = try await Exactness(host)
        for round in 1...Self.reverts {
            // Every fifth goes into a fresh process.
            await host.change(HostSettings(restoreWay: round % 5 == 0 ? .freshProcess : .automatic))
            let discarded = try await exactness.spend()
            let outcome = try await host.revert()
            #expect(outcome.way == (round % 5 == 0 ? .freshProcess : .inPlace))
            let problems = await exactness.problems(after: discarded)
            #expect(problems.isEmpty, "round \(round), \(outcome.way)")
            guard problems.isEmpty else { break }
        }
        try await host.reset()
        _ = try await host.waitForConsole(.plain("fermata tiny guest ready"), within: .minutes(5))
        #expect(try await host.output(of: "cat /proc/sys/kernel/random/boot_id") != exactness.last.boot)
        try await host.turnOff()
    }

    @Test func `the disk of a checkpoint holds all that was flushed and nothing newer`() async throws {
        let lab = try LiveLab()
        let host = try await lab.running()
        let exactness = try await Exactness(host)
        var known: [(GUID, flushed: UInt64)] = [(exactness.checkpoint, exactness.last.flushed)]
        for round in 1...4 {
            let tick = try await exactness.spend(ticks: 3).tick
            let next = try await host.checkpoint(CheckpointRequest(name: CheckpointName("later \(round)")))
            known.append((next.id, tick.flushed))
        }
        for (id, flushed) in known {
            _ = try await host.apply(id)
            let issued = try await Exactness.firstTick(after: id, host).issued
            try await Self.checkDisk(of: id, host, exactness.last, flushed: flushed, issued: issued)
        }
        let end = try await exactness.spend(ticks: 2).tick
        try await host.turnOff()
        let record = try MachineRecord(reading: host.folder)
        let chain = try #require(try DiskFiles.open(record.now, in: host.folder).first)
        let disk = WitnessDisk(
            try WitnessDisk.bytes(of: chain, sectors: end.sectors), seed: end.seed, sectors: end.sectors,
            flushed: end.flushed, issued: .max)
        #expect(disk.problems.isEmpty)
    }

    static func checkDisk(
        of id: GUID, _ host: MachineHost, _ tick: Tick, flushed: UInt64, issued: UInt64
    ) async throws {
        let record = try MachineRecord(reading: host.folder)
        let configuration = try #require(record.checkpoints[id])
        let path = try DiskFiles.path(of: configuration.disks[0], machine: record.id, in: host.folder)
        let chain = try DiskFiles.open(path, in: host.folder, .readOnly)
        let disk = WitnessDisk(
            try WitnessDisk.bytes(of: chain, sectors: tick.sectors), seed: tick.seed, sectors: tick.sectors,
            flushed: flushed, issued: issued)
        #expect(disk.problems.isEmpty, "checkpoint \(configuration.name)")
        #expect(disk.newest > 0)
    }

    @Test(arguments: ["memory", "disks", "devices", "page", "nothing", "other"])
    func `a wrong restore is noticed`(control: String) async throws {
        let sabotage = Sabotage(QEMUDriver())
        let lab = try LiveLab(hypervisor: sabotage)
        let host = try await lab.running(settings: HostSettings(restoreWay: .inPlace))
        let exactness = try await Exactness(host, patience: .seconds(20))
        var discarded = try await exactness.spend()
        let marker = Array("stale-\(UUID().uuidString)".utf8)
        let text = String(decoding: marker, as: UTF8.self)
        _ = try await host.output(of: "printf '\(text)' | dd of=/tmp/ram bs=4096 seek=77 conv=notrunc 2>/dev/null")
        switch control {
        case "memory": sabotage.choose(.memoryNotWritten)
        case "disks": sabotage.choose(.disksNotSwapped)
        case "devices": sabotage.choose(.devicesNotLoaded)
        case "page": sabotage.choose(.stalePage(marker: marker))
        default: break
        }
        switch control {
        case "nothing": break
        case "other":
            let other = try await host.checkpoint(CheckpointRequest(name: "other")).id
            discarded = try await exactness.spend()
            _ = try await host.apply(other)
        default: _ = try? await host.revert()
        }
        sabotage.choose(nil)
        let problems = await exactness.problems(after: discarded)
        print("control \(control):", problems)
        #expect(!problems.isEmpty, "the proof did not notice: \(control)")
        try await host.turnOff()
    }

    @Test func `without sabotage the same proof finds nothing`() async throws {
        let sabotage = Sabotage(QEMUDriver())
        let lab = try LiveLab(hypervisor: sabotage)
        let host = try await lab.running(settings: HostSettings(restoreWay: .inPlace))
        let exactness = try await Exactness(host)
        let discarded = try await exactness.spend()
        _ = try await host.revert()
        #expect(await exactness.problems(after: discarded).isEmpty)
        try await host.turnOff()
    }

    @Test func `a guest whose clock cannot go back is restored into a fresh process`() async throws {
        let lab = try LiveLab()
        let host = try await lab.running(arguments: TinyGuest.timeStampArguments)
        let exactness = try await Exactness(host)
        let discarded = try await exactness.spend()
        #expect(try await host.revert().way == .freshProcess)
        #expect(await exactness.problems(after: discarded).isEmpty)
        try await host.turnOff()
    }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import FermataTestSupport
import Foundation
import StorageTestSupport
import Synchronization
import SystemPackage
import Testing

@testable import FermataEngine

/// Every state and every operation: what it leads to, or the sentence that refuses it and changes nothing.
struct StateTests {
    /// What can be asked of a machine.
    enum Request: String, CaseIterable, Sendable {
        case start, pause, resume, save, reset, shutDown, turnOff, checkpoint, delete, command
        case applyOff, applyRunning, applyPaused, applySaved, applyRunningPaused, applyRunningOff, revert
    }

    /// The state that follows, or the sentence that refuses.
    enum Outcome: Equatable, Sendable {
        case state(MachineState)
        case refused(String)
    }

    static let table: [MachineState: [Request: Outcome]] = [
        .off: [
            .start: .state(.running),
            .pause: .refused("machine 'web' is off, but a pause needs it running; start it first"),
            .resume: .refused("machine 'web' is off, but resuming needs it paused; start it first"),
            .save: .refused("machine 'web' is off, but saving needs it running or paused; start it first"),
            .reset: .refused("machine 'web' is off, but a reset needs it running or paused; start it first"),
            .shutDown: .state(.off), .turnOff: .state(.off), .checkpoint: .state(.off), .delete: .state(.off),
            .command: .refused("machine 'web' is off, but a command needs it running; start it first"),
            .revert: .state(.off),
        ],
        .running: [
            .start: .refused("machine 'web' is running already"), .pause: .state(.paused),
            .resume: .refused("machine 'web' is running already"), .save: .state(.saved), .reset: .state(.running),
            .shutDown: .state(.off), .turnOff: .state(.off), .checkpoint: .state(.running), .delete: .state(.running),
            .command: .state(.running), .revert: .state(.running),
        ],
        .paused: [
            .start: .refused("machine 'web' is paused; resume it"),
            .pause: .refused("machine 'web' is paused already"), .resume: .state(.running), .save: .state(.saved),
            .reset: .state(.paused),
            .shutDown: .refused("machine 'web' is paused, but a shut-down needs it running; resume it first"),
            .turnOff: .state(.off), .checkpoint: .state(.paused), .delete: .state(.paused),
            .command: .refused("machine 'web' is paused, but a command needs it running; resume it first"),
            .revert: .state(.paused),
        ],
        .saved: [
            .start: .state(.running),
            .pause: .refused("machine 'web' is saved, but a pause needs it running; start it first"),
            .resume: .refused("machine 'web' is saved, but resuming needs it paused; start it first"),
            .save: .refused("machine 'web' is saved already"),
            .reset: .refused("machine 'web' is saved, but a reset needs it running or paused; start it first"),
            .shutDown: .refused("machine 'web' is saved, but a shut-down needs it running; start it first"),
            .turnOff: .state(.off), .checkpoint: .state(.saved), .delete: .state(.saved),
            .command: .refused("machine 'web' is saved, but a command needs it running; start it first"),
            .revert: .state(.saved),
        ],
    ]
    static let anyState: [Request: Outcome] = [
        .applyOff: .state(.off), .applyRunning: .state(.running), .applyPaused: .state(.paused),
        .applySaved: .state(.saved), .applyRunningPaused: .state(.paused), .applyRunningOff: .state(.off),
    ]

    /// In CI, restores go in place where they can; both ways when everything is asked for.
    static let ways: [HostSettings.RestoreWay] =
        ProcessInfo.processInfo.environment["FERMATA_TEST_ALL"] == nil ? [.inPlace] : [.inPlace, .freshProcess]

    @Test(arguments: MachineState.allCases, ways)
    func `every operation leads from every state where the table says`(
        state: MachineState, way: HostSettings.RestoreWay
    ) async throws {
        let rows = (Self.table[state] ?? [:]).merging(Self.anyState) { $1 }
        #expect(rows.count == Request.allCases.count)
        var lab = try await StateLab(way)
        try await lab.bring(to: state)
        for request in Request.allCases {
            let before = try lab.digest()
            do {
                try await lab.perform(request)
                let now = await lab.host.state
                #expect(rows[request] == .state(now), "\(state), \(request)")
                let isNew = request == .reset || (request, state) == (.start, .off)
                if now == .running, !isNew { #expect(try await lab.output("get word") == lab.word, "\(request)") }
                await lab.host.close()
                #expect(try MachineRecord(reading: lab.host.folder).stateAtRest == (now == .saved ? .saved : .off))
                #expect(lab.hypervisor.liveMachines == 0)
                lab = try await StateLab(way)
                try await lab.bring(to: state)
            } catch let error as EngineError {
                #expect(rows[request] == .refused(error.description), "\(state), \(request)")
                #expect(await lab.host.state == state, "\(request)")
                #expect(try lab.digest() == before, "\(state), \(request): refused, and the store has changed")
            }
        }
        await lab.host.close()
    }

    @Test func `what runs, is paused or saved comes back with its memory, in a new host, too`() async throws {
        let lab = try await StateLab(.automatic)
        try await lab.bring(to: .running)
        _ = try await lab.output("set word one")
        try await lab.host.save()
        #expect(await lab.host.state == .saved)
        #expect(lab.hypervisor.liveMachines == 0)
        let saved = lab.host.folder.savedMemory(of: await lab.host.files.id)
        #expect(FileSystem.exists(saved.image) && FileSystem.exists(saved.devices))
        try await lab.reopen()
        #expect(await lab.host.state == .saved)
        try await lab.host.start()
        #expect(try await lab.output("get word") == "one")
        #expect(!FileSystem.exists(saved.image) && !FileSystem.exists(saved.devices))

        try await lab.host.save()
        let kept = try await lab.host.checkpoint(CheckpointRequest(name: "kept")).id
        try await lab.host.start()
        _ = try await lab.output("set word two")
        #expect(try await lab.host.apply(kept).way == .saved)
        #expect(!FileSystem.exists(saved.image))
        // Its memory lies in the checkpoint's folder, and outlives it.
        try await lab.host.delete([kept])
        #expect(await lab.host.state == .saved)
        try await lab.reopen()
        try await lab.host.start()
        #expect(try await lab.output("get word") == "one")
        try await lab.host.turnOff()
        #expect(try FileManager.default.contentsOfDirectory(atPath: saved.folder.string) == [])
    }

    @Test(arguments: [SimulatedHypervisor.Request.launch, .loadDevices, .resume])
    func `a start that fails leaves the machine saved, or off once it is committed`(
        request: SimulatedHypervisor.Request
    ) async throws {
        let failing = Failing()
        let lab = try await StateLab(.automatic, before: failing.check)
        try await lab.bring(to: .running)
        _ = try await lab.output("set word one")
        try await lab.host.save()
        failing.request.withLock { $0 = request }
        await #expect(throws: (any Error).self) { try await lab.host.start() }
        failing.request.withLock { $0 = nil }
        #expect(lab.hypervisor.liveMachines == 0)
        #expect(await lab.host.state == (request == .resume ? .off : .saved))
        guard request != .resume else { return }
        try await lab.host.start()
        #expect(try await lab.output("get word") == "one")
        await lab.host.close()
    }

    @Test(arguments: [SimulatedHypervisor.Request.stop, .saveDevices, .changedPages, .readMemory])
    func `a save that fails leaves the machine running or paused`(request: SimulatedHypervisor.Request) async throws {
        for state in [MachineState.running, .paused] {
            let failing = Failing()
            let lab = try await StateLab(.automatic, before: failing.check)
            try await lab.bring(to: state)
            failing.request.withLock { $0 = request }
            await #expect(throws: (any Error).self) { try await lab.host.save() }
            failing.request.withLock { $0 = nil }
            #expect(await lab.host.state == state)
            if state == .paused { try await lab.host.resume() }
            #expect(try await lab.output("get word") == lab.word)
            await lab.host.close()
        }
    }

    @Test func `everyone who listens is told what happens`() async throws {
        let lab = try await StateLab(.automatic)
        try await lab.bring(to: .running)
        let (one, other) = (lab.host.events(), lab.host.events())
        try await lab.host.pause()
        try await lab.host.resume()
        _ = try? await lab.host.run(.shell("poweroff"))
        await lab.host.waitUntilOff()
        await lab.host.close()
        for events in [one, other] {
            var kinds: [MachineEvent.Kind] = []
            for await event in events { kinds.append(event.kind) }
            #expect(
                kinds == [
                    .state(.paused, reason: nil), .state(.running, reason: nil), .guestPoweredOff,
                    .processEnded(nil), .state(.off, reason: nil),
                ])
        }
    }

    @Test func `a restart is waited for once, be it before or after the wait begins`() async throws {
        let lab = try await StateLab(.automatic)
        try await lab.bring(to: .running)
        let host = lab.host
        async let rebooted: Void = host.waitForReboot(within: .minutes(1))
        try await host.reset()
        try await rebooted
        let error = await #expect(throws: EngineError.self) {
            try await lab.host.waitForReboot(within: .milliseconds(20))
        }
        #expect(error?.code == .timeout)
        await lab.host.close()
    }
}

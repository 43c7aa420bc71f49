// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
public import FermataModel
import Foundation
import Logging
import SystemPackage
import VirtualDisk

extension MachineHost {
    /// Starts the machine: from power-off, or from where it was saved.
    public func start() async throws {
        defer { mergeSoon() }
        try await exclusively("a start") { host in
            try host.requireLock()
            guard host.running == nil else {
                let isPaused = host.state == .paused
                throw EngineError(
                    .wrongState,
                    "machine '\(host.folder.name)' is \(isPaused ? "paused; resume it" : "running already")")
            }
            try HostMemory.require(host.record.now.memory, for: host.folder.name)
            if let saved = host.record.now.saved {
                try await host.startSaved(saved)
                host.tellState()
                return await host.followClock()
            }
            let base = try FlatImage.zero(memory: host.record.now.memory, in: host.folder.lab)
            let chains = try DiskFiles.open(host.record.now, in: host.folder)
            let machine = try await host.launch(
                host.record.now, chains: chains, base: base, baseCheckpoint: nil,
                clockBase: Int64(Date().timeIntervalSince1970))
            host.console.begin(
                at: [], because: EngineError(.reverted, "the machine started anew"), telling: .started)
            host.adopt(machine)
            do {
                _ = try await machine.process.resume()
            } catch {
                await host.end(machine, because: "it could not be started", isTold: true)
                throw error
            }
            host.tellState()
        }
    }

    /// Holds the processors until ``resume()``.
    public func pause() async throws {
        try await exclusively("a pause") { host in
            try host.requireLock()
            let machine = try host.requirePower("a pause", "running")
            guard machine.standing == nil else {
                throw EngineError(.wrongState, "machine '\(host.folder.name)' is paused already")
            }
            machine.shutGates()
            do {
                _ = try await machine.process.stop()
            } catch {
                machine.openGates()
                throw error
            }
            host.running?.standing = .asked
            host.tellState()
        }
    }

    /// Lets a paused machine go on; what failed on a disk of the host is tried again.
    public func resume() async throws {
        try await exclusively("resuming") { host in
            try host.requireLock()
            let machine = try host.requirePower("resuming", "paused")
            guard machine.standing != nil else {
                throw EngineError(.wrongState, "machine '\(host.folder.name)' is running already")
            }
            // A disk that fails again is told after this.
            host.running?.standing = nil
            do {
                _ = try await machine.process.resume()
            } catch {
                host.running?.standing = machine.standing
                throw error
            }
            machine.openGates()
            host.tellState()
            if machine.isOwedTime {
                host.running?.isOwedTime = false
                await host.followClock()
            }
        }
    }

    /// Presses the power button and waits until the guest has switched itself off.
    ///
    /// - Throws: ``EngineError/Code/timeout`` when it has not; the machine then runs on.
    public func shutDown(within limit: TimeSpan, orElse fallback: Action.ShutDownFallback = .fail) async throws {
        let machine: Int? = try await exclusively("a shut-down") { host in
            guard host.running != nil || host.record.now.saved != nil else { return nil }
            let machine = try host.requireRunning("a shut-down")
            try await machine.process.pressPowerButton()
            return machine.generation
        }
        guard let generation = machine else { return }
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.waitUntilOff() }
            group.addTask { try? await Task.sleep(for: limit.duration) }
            await group.next()
            group.cancelAll()
        }
        try Task.checkCancellation()
        guard let running else { return }
        guard running.generation == generation else {
            throw EngineError(
                .reverted, "machine '\(folder.name)' was restored or started anew before its guest had shut down")
        }
        switch fallback {
        case .turnOff: try await turnOff()
        case .fail:
            throw EngineError(
                .timeout,
                "machine '\(folder.name)' did not shut down within \(limit) and still runs; does its guest "
                    + "listen to the power button?")
        }
    }

    /// Cuts the machine's power, or discards the memory of a saved one; a machine that is off stays off.
    public func turnOff() async throws {
        try await withoutMerging { host in
            try await host.exclusively("turning it off") { host in
                if let machine = host.running {
                    await host.end(machine, because: "it was turned off")
                } else if host.record.now.saved != nil {
                    try host.requireLock()
                    try host.discardSaved()
                }
            }
        }
    }

    /// Resets the machine as its reset button does; a paused one stays paused.
    public func reset() async throws {
        try await exclusively("a reset") { host in
            let machine = try host.requirePower("a reset")
            try await machine.process.reset()
            machine.session.begin(because: EngineError(.guest, "the machine was reset while the command ran"))
        }
    }

    /// Starts a process for a configuration, held; not yet the host's machine.
    func launch(
        _ configuration: Configuration, chains: [DiskChain], base: PageFile, baseCheckpoint: GUID?, clockBase: Int64
    ) async throws -> RunningMachine {
        let process = try await hypervisor.launch(
            Launch(
                name: folder.name.description, hardware: hardware(of: configuration), memoryImage: base.pathWhileOpen,
                disks: zip(configuration.disks, chains).map { Launch.Disk(name: $0.name, device: $1) },
                clockBase: clockBase, log: folder.lab.processLog(configuration.machine)))
        FaultPoint.spawned.reach()
        generation += 1
        return RunningMachine(
            generation: generation, process: process, chains: chains, session: GuestSession(channel: process.agent),
            base: base, baseCheckpoint: baseCheckpoint, clockBase: clockBase)
    }

    /// Makes a process the host's machine.
    func adopt(_ machine: RunningMachine) {
        running = machine
        machine.startReaders(console: console)
        let (events, generation) = (machine.process.events, machine.generation)
        Task { [weak self] in
            for await event in events { await self?.handle(event, of: generation) }
        }
    }

    /// Ends a machine's process, and makes its disks what a power cut would leave.
    ///
    /// - Parameter isTold: whether the reason is worth telling of the machine's state.
    func end(_ machine: RunningMachine, because reason: String, isTold: Bool = false) async {
        if running?.generation == machine.generation { merging?.control.cancel() }
        await machine.process.kill()
        // Whoever waits to send something meets the end.
        machine.openGates()
        guard running?.generation == machine.generation else { return }
        // Those that it has now: disks may have been merged since.
        let chains = running?.chains ?? []
        running = nil
        let error = EngineError(.guest, "machine '\(folder.name)' is \(state): \(reason)")
        machine.session.end(because: error)
        console.end(because: error)
        for chain in chains {
            do {
                try chain.close()
            } catch {
                Logger(label: "fermata.engine").error("machine '\(folder.name)': \(error)")
            }
        }
        tellState(because: isTold ? reason : nil)
        machineWentOff()
    }

    /// Lets the host send to the guest again, unless the guest stands.
    func settleGates(of machine: RunningMachine) {
        if let running, running.generation == machine.generation, running.standing != nil { return }
        machine.openGates()
    }

    /// The hardware that a configuration describes, its boot files found in the lab.
    func hardware(of configuration: Configuration) -> Hardware {
        let boot = configuration.boot.map { boot in
            Hardware.Boot(
                kernel: folder.lab.boot.appending(boot.kernel),
                initrd: boot.initrd.map { folder.lab.boot.appending($0) }, arguments: boot.arguments)
        }
        return Hardware(
            memory: configuration.memory, processors: configuration.processors, boot: boot,
            hasEntropy: configuration.devices.hasEntropy, networkAddress: configuration.devices.networkAddress)
    }
}

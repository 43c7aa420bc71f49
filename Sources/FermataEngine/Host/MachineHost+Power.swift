// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
public import FermataModel
import Foundation
import Logging
import SystemPackage
import VirtualDisk

extension MachineHost {
    /// Starts the machine from power-off.
    public func start() async throws {
        try await exclusively { host in
            try host.requireLock()
            guard host.running == nil else {
                throw EngineError(.wrongState, "machine '\(host.folder.name)' is running already")
            }
            let base = try FlatImage.zero(memory: host.record.now.memory, in: host.folder.lab)
            let chains = try DiskFiles.open(host.record.now, in: host.folder)
            let machine = try await host.launch(
                host.record.now, chains: chains, base: base, baseCheckpoint: nil,
                clockBase: Int64(Date().timeIntervalSince1970))
            host.console.rewind(to: [], because: EngineError(.reverted, "the machine started anew"))
            host.adopt(machine)
            do {
                _ = try await machine.process.resume()
            } catch {
                await host.end(machine, because: "it could not be started")
                throw error
            }
        }
    }

    /// Presses the power button and waits until the guest has switched itself off.
    ///
    /// - Throws: ``EngineError/Code/timeout`` when it has not; the machine then runs on.
    public func shutDown(within limit: TimeSpan, orElse fallback: Action.ShutDownFallback = .fail) async throws {
        let machine = try await exclusively { host in
            try await host.running?.process.pressPowerButton()
            return host.running.map(\.generation)
        }
        guard let generation = machine else { return }
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.waitUntilOff() }
            group.addTask { try? await Task.sleep(for: limit.duration) }
            await group.next()
            group.cancelAll()
        }
        guard running?.generation == generation else { return }
        switch fallback {
        case .turnOff: await turnOff()
        case .fail:
            throw EngineError(
                .timeout,
                "machine '\(folder.name)' did not shut down within \(limit) and still runs; does its guest "
                    + "listen to the power button?")
        }
    }

    /// Cuts the machine's power; a machine that is off stays off.
    public func turnOff() async {
        await exclusively { host in
            guard let machine = host.running else { return }
            await host.end(machine, because: "it was turned off")
        }
    }

    /// Resets the machine as its reset button does.
    public func reset() async throws {
        try await exclusively { host in
            let machine = try host.requireRunning("a reset")
            try await machine.process.reset()
            machine.session.begin(because: EngineError(.guest, "the machine was reset while the command ran"))
        }
    }

    /// Starts a process for a configuration, held; not yet the host's machine.
    func launch(
        _ configuration: Configuration, chains: [DiskChain], base: FilePath, baseCheckpoint: GUID?, clockBase: Int64
    ) async throws -> RunningMachine {
        let baseFile = try PageFile(reading: base)
        let process = try await hypervisor.launch(
            Launch(
                name: folder.name.description, hardware: hardware(of: configuration), memoryImage: base,
                disks: zip(configuration.disks, chains).map { Launch.Disk(name: $0.name, device: $1) },
                clockBase: clockBase, log: folder.lab.processLog(configuration.machine)))
        FaultPoint.spawned.reach()
        generation += 1
        return RunningMachine(
            generation: generation, process: process, chains: chains, session: GuestSession(channel: process.agent),
            base: baseFile, baseCheckpoint: baseCheckpoint, clockBase: clockBase)
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

    private func handle(_ event: VirtualMachineEvent, of generation: Int) async {
        guard let machine = running, machine.generation == generation else { return }
        switch event {
        case .restarted:
            machine.session.begin(because: EngineError(.guest, "the guest restarted while the command ran"))
        case .ended(let reason):
            await end(machine, because: reason ?? "it powered off")
        case .poweredOff, .panicked, .diskFailed: break
        }
    }

    /// Ends a machine's process, and makes its disks what a power cut would leave.
    func end(_ machine: RunningMachine, because reason: String) async {
        await machine.process.kill()
        guard running?.generation == machine.generation else { return }
        running = nil
        let error = EngineError(.guest, "machine '\(folder.name)' is off: \(reason)")
        machine.session.end(because: error)
        console.end(because: error)
        for chain in machine.chains {
            do {
                try chain.flush()
            } catch {
                Logger(label: "fermata.engine").error("machine '\(folder.name)': \(error)")
            }
        }
        machineWentOff()
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

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

public import FermataModel
import Foundation
import SystemPackage

/// The one place that runs a machine: it holds the machine's lock, its process, its disks and its memory.
///
/// ```
///            start()                          shutDown(), turnOff(), the guest powers off
///   off ───────────────► running ─────────────────────────────────────────────► off
///    │ ▲                   │ ▲
///    │ └──── apply ────────┘ │   a checkpoint without memory
///    └────── apply ──────────┘   a checkpoint with memory
/// ```
/// Operations happen one at a time, in the order in which they were asked for. It does not know who asks, nor which
/// hypervisor runs the machine.
public actor MachineHost {
    /// The machine's folder.
    public nonisolated let folder: MachineFolder
    /// What the guest wrote on its console, over all its starts.
    public nonisolated let console: Console
    nonisolated let thread: HostThread
    let hypervisor: any Hypervisor
    let lock: FolderLock
    let pages = PageBuffer()
    /// The memory images whose pages this host has written itself or checked, as they were then.
    var checkedImages: [GUID: PageFile.Stamp] = [:]
    var settings: HostSettings
    var record: MachineRecord
    var running: RunningMachine?
    var generation = 0
    var restartHandlers: [@Sendable () -> Void] = []
    private var turns = OperationTurns()
    private var offWaiters: [Int: CheckedContinuation<Void, Never>] = [:]
    private var nextWaiter = 0

    /// The machine's own thread.
    public nonisolated var unownedExecutor: UnownedSerialExecutor {
        unsafe thread.asUnownedSerialExecutor()
    }

    /// Takes the machine's lock, and finishes or undoes what a crash left.
    ///
    /// - Throws: ``EngineError/Code/busy`` when another process runs or changes the machine.
    public init(
        of folder: MachineFolder, hypervisor: any Hypervisor, settings: HostSettings = HostSettings()
    ) throws(EngineError) {
        guard FileSystem.exists(folder.virtualMachines) else {
            throw EngineError(.notFound, "there is no machine '\(folder.name)' in \(folder.lab.path)")
        }
        lock = try FolderLock(folder.path, of: "machine '\(folder.name)'")
        try Recovery(of: folder).run()
        record = try MachineRecord(reading: folder)
        console = try Console(log: folder.lab.consoleLog(record.id))
        thread = HostThread(name: folder.name.description)
        self.folder = folder
        self.hypervisor = hypervisor
        self.settings = settings
    }

    /// The machine's state.
    public var state: MachineState {
        running == nil ? .off : .running
    }

    /// The machine's files as they are now.
    public var files: MachineRecord { record }

    /// Changes how restores are done from now on.
    public func change(_ settings: HostSettings) {
        self.settings = settings
    }

    /// Does one operation after those that were asked for before it.
    func exclusively<Result: Sendable>(
        _ body: (isolated MachineHost) async throws -> Result
    ) async rethrows -> Result {
        if !turns.takeIfFree() {
            await withCheckedContinuation { turns.wait($0) }
        }
        defer { turns.release() }
        return try await body(self)
    }

    /// Waits until the machine is off.
    func waitUntilOff() async {
        guard running != nil else { return }
        nextWaiter += 1
        let id = nextWaiter
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                if Task.isCancelled { continuation.resume() } else { offWaiters[id] = continuation }
            }
        } onCancel: {
            Task { await self.stopWaiting(id) }
        }
    }

    private func stopWaiting(_ id: Int) {
        offWaiters.removeValue(forKey: id)?.resume()
    }

    func machineWentOff() {
        let waiters = offWaiters.values
        offWaiters = [:]
        for waiter in waiters { waiter.resume() }
    }

    /// Turns the machine off and lets go of it: others can run it, and nothing more can be done through this host.
    public func close() async {
        await exclusively { host in
            if let machine = host.running { await host.end(machine, because: "its host was closed") }
            host.lock.release()
        }
    }

    /// Refuses what changes the machine once this host has let go of it.
    func requireLock() throws(EngineError) {
        guard lock.isHeld else {
            throw EngineError(
                .wrongState, "machine '\(folder.name)' was let go of by this host; take hold of it again")
        }
    }

    /// The machine that runs, or an error that says what it is instead.
    func requireRunning(_ what: String) throws(EngineError) -> RunningMachine {
        guard let running else {
            throw EngineError(
                .wrongState, "machine '\(folder.name)' is off, but \(what) needs it running; start it first")
        }
        return running
    }
}

/// How a host does what can be done in more than one way.
public struct HostSettings: Hashable, Sendable {
    /// Where a restore of memory goes.
    public enum RestoreWay: Hashable, Sendable {
        /// The fastest that is exact for this machine: in place when the guest's clock can go back.
        case automatic
        /// Into the running process whenever its devices fit.
        case inPlace
        /// Into a fresh process always.
        case freshProcess
    }

    /// Where a restore of memory goes.
    public var restoreWay: RestoreWay
    /// How long a pause may be put off for a FLUSH that the guest waits for.
    public var flushPatience: Duration

    /// Makes settings.
    public init(restoreWay: RestoreWay = .automatic, flushPatience: Duration = .milliseconds(250)) {
        self.restoreWay = restoreWay
        self.flushPatience = flushPatience
    }
}

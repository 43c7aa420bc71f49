// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

public import FermataModel
import Foundation
import Synchronization
import SystemPackage

/// The one place that runs a machine: it holds the machine's lock, its process, its disks and its memory.
///
/// ```
///                         start()                       pause(), a disk of the host fails
///   off ─────────────────────────────────► running ─────────────────────────────────────► paused
///   ▲ ▲                                     │ │ ▲ ◄─────────────── resume() ───────────────┘ │
///   │ └─ shutDown(), the guest powers off ──┘ │ │                                            │
///   │                                  save() │ │ start()                             save() │
///   │                                         ▼ │                                            │
///   ├───────────── turnOff() ───────────────  saved ◄───────────────────────────────────────-┘
///   └───────────── turnOff() ───────────────  running, paused
///
///   apply(_:), revert()   from any state to that of the checkpoint
/// ```
/// Operations happen one at a time, in the order in which they were asked for. It does not know who asks, nor which
/// hypervisor runs the machine.
public actor MachineHost {
    /// The machine's folder.
    public nonisolated let folder: MachineFolder
    /// What the guest wrote on its console, over all its starts.
    public nonisolated let console: Console
    nonisolated let thread: HostThread
    nonisolated let eventSource: MachineEvents = MachineEvents()
    let hypervisor: any Hypervisor
    let lock: FolderLock
    let pages = PageBuffer()
    /// The memory images whose pages this host has written itself or checked, as they were then.
    var checkedImages: [GUID: PageFile.Stamp] = [:]
    var settings: HostSettings
    var record: MachineRecord
    var running: RunningMachine?
    var generation = 0
    /// Why the machine is in its state, if it was not simply asked for.
    var stateReason: String?
    /// The operation under way.
    private(set) var activity: String? {
        didSet { publishStatus() }
    }
    /// The status for readers, who wait for no operation: the machine's thread may be busy for long.
    nonisolated let published: Mutex<MachineStatus>
    /// The merge of disks under way, and how many operations keep merges away.
    var merging: (control: MergeControl, task: Task<Void, Never>)?
    var mergeHolds = 0
    /// Whether there may be something to merge.
    var isMergeWanted = false
    var isMergingStopped = false
    /// The checkpoints whose disks could not be read for their digests; the next host tries again.
    var failedDigests: Set<GUID> = []
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
        published = Mutex(MachineStatus(state: record.stateAtRest))
        console = try Console(log: folder.lab.consoleLog(record.id))
        thread = HostThread(name: folder.name.description)
        self.folder = folder
        self.hypervisor = hypervisor
        self.settings = settings
    }

    /// The machine's state.
    public var state: MachineState {
        guard let running else { return record.now.saved == nil ? .off : .saved }
        return running.standing == nil ? .running : .paused
    }

    /// The machine's files as they are now.
    public var files: MachineRecord { record }

    /// Changes how restores are done from now on.
    public func change(_ settings: HostSettings) {
        self.settings = settings
    }

    /// Does one operation after those that were asked for before it.
    ///
    /// - Parameter what: a name for it, such as `a checkpoint`.
    func exclusively<Result: Sendable>(
        _ what: String? = nil, _ body: (isolated MachineHost) async throws -> Result
    ) async rethrows -> Result {
        if !turns.takeIfFree() {
            await withCheckedContinuation { turns.wait($0) }
        }
        activity = what
        defer {
            activity = nil
            turns.release()
        }
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

    /// Turns the machine off, unless it is saved, and lets go of it: others can run it, and nothing more can be done through this host.
    public func close() async {
        mergeHolds += 1
        await stopMerging()
        await exclusively { host in
            if let machine = host.running { await host.end(machine, because: "its host was closed") }
            host.lock.release()
            host.eventSource.finish()
        }
    }

    /// Refuses what changes the machine once this host has let go of it.
    func requireLock() throws(EngineError) {
        guard lock.isHeld else {
            throw EngineError(
                .wrongState, "machine '\(folder.name)' was let go of by this host; take hold of it again")
        }
    }

    /// The machine whose processors run, or an error that says what it is instead.
    func requireRunning(_ what: String) throws(EngineError) -> RunningMachine {
        let machine = try requirePower(what, "running")
        guard machine.standing == nil else {
            throw EngineError(
                .wrongState, "machine '\(folder.name)' is paused, but \(what) needs it running; resume it first")
        }
        return machine
    }

    /// The machine that runs or is paused, or an error that says what it is instead.
    func requirePower(_ what: String, _ needed: String = "running or paused") throws(EngineError) -> RunningMachine {
        guard let running else {
            throw EngineError(
                .wrongState, "machine '\(folder.name)' is \(state), but \(what) needs it \(needed); start it first")
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
    /// The most bytes that are copied in a second when disks are merged while the machine runs; nil as many as can be.
    public var mergeRate: UInt64?

    /// Makes settings.
    public init(
        restoreWay: RestoreWay = .automatic, flushPatience: Duration = .milliseconds(250), mergeRate: UInt64? = nil
    ) {
        self.restoreWay = restoreWay
        self.flushPatience = flushPatience
        self.mergeRate = mergeRate
    }
}

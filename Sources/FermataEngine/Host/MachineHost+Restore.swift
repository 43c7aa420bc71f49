// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
public import FermataModel
import Hashing
import SystemPackage
import VirtualDisk

/// What a restore became.
public struct RestoreOutcome: Hashable, Sendable {
    /// How the machine came to the checkpoint's state.
    public enum Way: String, Hashable, Sendable {
        /// Only disks were taken: the machine is off.
        case off
        /// The machine is saved, in the checkpoint's memory.
        case saved
        /// The running process took the checkpoint's memory and devices.
        case inPlace = "in place"
        /// A fresh process took them.
        case freshProcess = "fresh process"
    }

    /// The checkpoint.
    public var checkpoint: GUID
    /// How the machine came to its state.
    public var way: Way
    /// How long it took until the guest ran, in microseconds.
    public var microseconds: Int64
    /// How long the guest stood still, in microseconds; nil unless one process ran it before and after.
    public var pauseMicroseconds: Int64?

    /// Makes an outcome.
    public init(checkpoint: GUID, way: Way, microseconds: Int64, pauseMicroseconds: Int64? = nil) {
        self.checkpoint = checkpoint
        self.way = way
        self.microseconds = microseconds
        self.pauseMicroseconds = pauseMicroseconds
    }
}

/// In which state a restore leaves the machine.
public enum RestoreEnding: String, Hashable, Sendable, Codable {
    /// In that of the checkpoint.
    case asCheckpoint
    /// Paused, at the very moment of the checkpoint.
    case paused
    /// Off, with the checkpoint's disks as a power cut would have left them.
    case off
}

extension MachineHost {
    /// Makes now equal to the checkpoint from which it grew.
    ///
    /// - Parameter isTrashing: false when what now is does not go to the trash, if the lab has one.
    public func revert(
        ending: RestoreEnding = .asCheckpoint, toTrash isTrashing: Bool = true
    ) async throws -> RestoreOutcome {
        try await restore(ending, isTrashing) { host throws(EngineError) in
            guard let parent = host.record.parent(of: host.record.now) else {
                throw EngineError(.notFound, "machine '\(host.folder.name)' has no checkpoint to revert to")
            }
            return parent
        }
    }

    /// Makes now equal to a checkpoint; the machine takes its power state, unless another one is asked for, and the next
    /// checkpoint branches there.
    ///
    /// - Parameter isTrashing: false when what now is does not go to the trash, if the lab has one.
    public func apply(
        _ id: GUID, ending: RestoreEnding = .asCheckpoint, toTrash isTrashing: Bool = true
    ) async throws -> RestoreOutcome {
        try await restore(ending, isTrashing) { host throws(EngineError) in
            guard host.record.checkpoints[id] != nil else {
                throw EngineError(.notFound, "machine '\(host.folder.name)' has no checkpoint \(id)")
            }
            return id
        }
    }

    /// Chooses the checkpoint when its turn has come: an operation before it may still be making it.
    ///
    /// - Parameter others: where it meets the other machines of the lab, if they are restored at the same moment.
    func restore(
        _ ending: RestoreEnding, _ isTrashing: Bool, with others: LabRestore? = nil,
        _ choose: @Sendable (isolated MachineHost) throws(EngineError) -> GUID
    ) async throws -> RestoreOutcome {
        try await withoutMerging { host in
            try await host.exclusively("a restore") { host in
                try await host.restoreInTurn(ending, isTrashing, with: others, choose)
            }
        }
    }

    private func restoreInTurn(
        _ ending: RestoreEnding, _ isTrashing: Bool, with others: LabRestore?,
        _ choose: @Sendable (isolated MachineHost) throws(EngineError) -> GUID
    ) async throws -> RestoreOutcome {
        try requireLock()
        let id = try choose(self)
        let target = try Configuration(reading: folder.checkpoint(id))
        let began = ContinuousClock.now
        var restore = try prepare(id, target, ending)
        restore.others = others
        FaultPoint.restoreChildrenCreated.reach()
        let old = (disks: record.now.disks, chains: running?.chains ?? [])
        var budget: TrashBudget?
        let way: RestoreOutcome.Way
        let pause: Int64?
        let kept: GUID?
        var isMarked = false
        do {
            budget = try trashBudget(isTrashing)
            kept = try budget.map { _ throws(EngineError) in try enterNow() }
            isMarked = try mark(old.disks)
            try await others?.meeting.arrive(at: .prepared)
            (way, pause) = try await self.restore(restore)
        } catch {
            // Once the configuration names the new children, the restore has happened.
            removeUnlessNamed(restore.now.disks)
            if budget != nil { removeVoidEntries() }
            if record.now.disks == restore.now.disks { for chain in old.chains { try? chain.close() } }
            if isMarked { settleMarks() }
            throw error
        }
        FaultPoint.restoreResumed.reach()
        let took = ContinuousClock.now - began
        if let kept, let budget, completeEntry(kept, chains: old.chains) {
            keep(to: budget)
        } else {
            removeDiscarded(old.disks)
        }
        if isMarked { settleMarks() }
        removeSavedMemory()
        eventSource.tell(.restored(id))
        tellState()
        if state == .running { await followClock() } else { running?.isOwedTime = true }
        return RestoreOutcome(
            checkpoint: id, way: way, microseconds: Int64(took / .microseconds(1)), pauseMicroseconds: pause)
    }

    /// Checks everything that can be refused, and makes new children of all the checkpoint's disks.
    private func prepare(_ id: GUID, _ target: Configuration, _ ending: RestoreEnding) throws -> Restore {
        let state = try finalState(of: target, ending)
        var now = target
        var end = Restore.End.off
        if state != .off {
            let source = record.memory(of: id, target)
            let saved = try SavedState(reading: source.files.devices)
            try check(saved, of: source, target)
            if state == .saved {
                // Its pages are checked when a process takes them.
                _ = try memoryImage(of: source, saved, target)
                now.saved = .checkpoint(id)
                end = .saved
            } else {
                end = .held(try prepare(saved, of: source, target), goesOn: state == .running)
            }
        }
        // Before the first new file: every disk of the chain is what the next one takes it for.
        _ = try DiskFiles.layers(of: target, in: folder)
        now.name = record.now.name
        now.notes = record.now.notes
        now.created = record.now.created
        now.owner = record.now.owner
        now.checkpoint = nil
        now.digests = nil
        now.ancestors = [id] + target.ancestors
        now.disks = try DiskFiles.createChildren(of: target, in: folder)
        return Restore(id: id, now: now, end: end)
    }

    /// The state in which a restore is to leave the machine.
    private func finalState(of target: Configuration, _ ending: RestoreEnding) throws(EngineError) -> MachineState {
        let state = target.checkpoint?.state ?? .off
        switch ending {
        case .asCheckpoint: return state
        case .off: return .off
        case .paused:
            guard state != .off else {
                throw EngineError(
                    .wrongState,
                    "checkpoint '\(target.name)' of machine '\(folder.name)' has no memory, so it cannot be applied "
                        + "paused; apply it as it is, and start the machine")
            }
            return .paused
        }
    }

    /// Checks the memory's pages as far as they have not been checked, and finds where they are taken from.
    private func prepare(
        _ state: SavedState, of source: MemorySource, _ target: Configuration
    ) throws(EngineError) -> Restore.Memory {
        let image = try memoryImage(of: source, state, target)
        guard let running, canRestoreInPlace(source.id, target, state, running) else {
            if running == nil { try HostMemory.require(target.memory, for: folder.name) }
            let flat = try FlatImage.of(source.id, in: folder, from: image)
            return Restore.Memory(state: state, origin: .mapped(flat, source))
        }
        let stamp = try image.file.stamp()
        if checkedImages[source.moment] != stamp {
            try image.check()
            checkedImages[source.moment] = stamp
        }
        return Restore.Memory(state: state, origin: .copied(image))
    }

    /// The image of a memory, its header checked.
    func memoryImage(
        of source: MemorySource, _ state: SavedState, _ target: Configuration
    ) throws(EngineError) -> MemoryImage {
        try record.memoryImage(of: source, state, target)
    }

    /// Compares a state with the configuration that is to take it.
    func check(_ state: SavedState, of source: MemorySource, _ target: Configuration) throws(EngineError) {
        try record.check(state, of: source, target)
    }

    private func restore(_ restore: Restore) async throws -> (way: RestoreOutcome.Way, pause: Int64?) {
        switch restore.end {
        case .off:
            try await restoreWithoutProcess(restore, because: "a checkpoint's disks were applied")
            return (.off, nil)
        case .saved:
            try await restoreWithoutProcess(restore, because: "a saved checkpoint was applied")
            return (.saved, nil)
        case .held(let memory, let goesOn):
            switch memory.origin {
            case .copied(let image):
                let machine = try requirePower("a restore in place")
                return (
                    .inPlace, try await restoreInPlace(restore, memory.state, image, machine, goesOn: goesOn)
                )
            case .mapped(let image, let source):
                try await loadIntoFreshProcess(
                    restore.now, memory.state, image, from: source, fault: .restoreCommit, goesOn: goesOn,
                    with: restore.others)
                return (.freshProcess, nil)
            }
        }
    }

    private func canRestoreInPlace(
        _ id: GUID, _ target: Configuration, _ state: SavedState, _ machine: RunningMachine
    ) -> Bool {
        guard machine.knowsPages(of: id), state.mismatch(with: machine.process.traits) == nil,
            hardware(of: target) == hardware(of: record.now)
        else { return false }
        return switch settings.restoreWay {
        case .automatic: hardware(of: target).guestClockGoesBack
        case .inPlace: true
        case .freshProcess: false
        }
    }

    /// No process is needed for what the machine is to be: the one that there is ends.
    private func restoreWithoutProcess(_ restore: Restore, because reason: String) async throws {
        let machine = running
        if let machine {
            machine.shutGates()
            do {
                _ = try await machine.process.stop()
            } catch {
                if await !letGo(machine) {
                    await end(machine, because: "it could not be held for a restore: \(error)", isTold: true)
                }
                settleGates(of: machine)
                throw error
            }
            FaultPoint.restoreStopped.reach()
        }
        do {
            try await commitNow(restore.now, fault: .restoreCommit, with: restore.others)
        } catch {
            if let machine, record.now.disks == restore.now.disks {
                await end(machine, because: "it was restored, but not durably for sure: \(error)", isTold: true)
            } else if let machine {
                if machine.standing == nil { _ = try? await machine.process.resume() }
                settleGates(of: machine)
            }
            throw error
        }
        if let machine { await end(machine, because: reason) }
    }

    /// A fresh process maps the memory's image and takes its devices, while the old one, if any, only stands stopped.
    ///
    /// - Parameters:
    ///   - now: what the machine's configuration is to be.
    ///   - fault: the point around the commit that makes it so.
    func loadIntoFreshProcess(
        _ now: Configuration, _ state: SavedState, _ image: PageFile, from source: MemorySource, fault: FaultPoint,
        goesOn: Bool = true, with others: LabRestore? = nil
    ) async throws {
        let chains = try DiskFiles.open(now, in: folder)
        let old = running
        var fresh = try await launch(
            now, chains: chains, base: image, baseCheckpoint: source.checkpoint,
            clockBase: state.description.clockBase)
        old?.shutGates()
        defer { if let old { settleGates(of: old) } }
        let before = record.now
        var doubt: (any Error)?
        do {
            if let mismatch = state.mismatch(with: fresh.process.traits) {
                throw EngineError(
                    .incompatible,
                    "the memory of \(source.name) of machine '\(folder.name)' does not fit this host: \(mismatch)")
            }
            _ = try await old?.process.stop()
            FaultPoint.restoreStopped.reach()
            try await fresh.process.loadDevices(state.devices)
            FaultPoint.restoreLoaded.reach()
            try await commitNow(now, fault: fault, with: others)
        } catch {
            // A commit that failed may have happened: then the machine is what every reader sees.
            guard record.now != before else {
                await fresh.process.kill()
                if let old, old.standing == nil { _ = try? await old.process.resume() }
                throw error
            }
            doubt = error
        }
        let reason = EngineError(.reverted, "machine '\(folder.name)' was restored to a checkpoint meanwhile")
        if let old {
            old.isHeard.turnOff()
            old.session.end(because: reason)
            running = nil
            await old.process.kill()
            // A reader that was in the middle of it has handed over its last bytes when this returns.
            old.process.console.receivePending { _ in }
        }
        console.begin(at: state.console, because: reason, telling: source.checkpoint.flatMap(restoration))
        if !goesOn {
            fresh.standing = .asked
            fresh.shutGates()
        }
        adopt(fresh)
        if goesOn {
            do {
                _ = try await fresh.process.resume()
            } catch {
                await end(fresh, because: "it could not go on after a restore: \(error)", isTold: true)
                throw error
            }
        }
        if let doubt {
            tellState()
            throw doubt
        }
    }

    /// What the console's readers are told of a restore.
    func restoration(to checkpoint: GUID) -> ConsoleOutput.Part? {
        record.checkpoints[checkpoint].map { .restored(CheckpointName($0.name)) }
    }

    /// Removes the disks of the discarded future, unless a checkpoint holds one.
    private func removeDiscarded(_ disks: [Configuration.Disk]) {
        let held = Set(record.checkpoints.values.flatMap(\.disks).map { FilePath($0.path).lastComponent })
        let mine = folder.differencingDisks(of: record.id)
        for disk in disks {
            guard let name = FilePath(disk.path).lastComponent, !held.contains(name) else { continue }
            // The first disk is nobody's child, so only a differencing one can be discarded.
            guard FileSystem.exists(mine.appending(name)) else { continue }
            try? FileSystem.remove(mine.appending(name))
            FaultPoint.oldDiskRemoved.reach()
        }
    }
}

/// A restore that nothing speaks against any more.
struct Restore: Sendable {
    /// The memory and devices that a process is to take.
    struct Memory: Sendable {
        var state: SavedState
        var origin: Origin
    }

    /// Where the pages are taken from.
    enum Origin: Sendable {
        /// A fresh process maps the flat image.
        case mapped(PageFile, MemorySource)
        /// The running process gets those that differ, from the `.bin` itself.
        case copied(MemoryImage)
    }

    /// What the machine is to be.
    enum End: Sendable {
        /// Off.
        case off
        /// Saved, in the checkpoint's memory.
        case saved
        /// A process has the memory, and goes on or stands.
        case held(Memory, goesOn: Bool)
    }

    let id: GUID
    /// The configuration to be, its disks new children.
    let now: Configuration
    let end: End
    /// Where it meets the other machines of the lab, if it is one of several.
    var others: LabRestore?
}

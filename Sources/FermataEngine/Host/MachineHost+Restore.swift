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
        /// The checkpoint has no memory: the machine is off.
        case off
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

extension MachineHost {
    /// Makes now equal to the checkpoint from which it grew.
    public func revert() async throws -> RestoreOutcome {
        try await restore { host throws(EngineError) in
            guard let parent = host.record.parent(of: host.record.now) else {
                throw EngineError(.notFound, "machine '\(host.folder.name)' has no checkpoint to revert to")
            }
            return parent
        }
    }

    /// Makes now equal to a checkpoint; the machine takes its power state, and the next checkpoint branches there.
    public func apply(_ id: GUID) async throws -> RestoreOutcome {
        try await restore { host throws(EngineError) in
            guard host.record.checkpoints[id] != nil else {
                throw EngineError(.notFound, "machine '\(host.folder.name)' has no checkpoint \(id)")
            }
            return id
        }
    }

    /// Chooses the checkpoint when its turn has come: an operation before it may still be making it.
    private func restore(
        _ choose: @Sendable (isolated MachineHost) throws(EngineError) -> GUID
    ) async throws -> RestoreOutcome {
        try await exclusively { host in
            try host.requireLock()
            let id = try choose(host)
            let target = try Configuration(reading: host.folder.checkpoint(id))
            let began = ContinuousClock.now
            let restore = try host.prepare(id, target)
            FaultPoint.restoreChildrenCreated.reach()
            let old = host.record.now.disks
            let way: RestoreOutcome.Way
            let pause: Int64?
            do {
                (way, pause) = try await host.restore(restore)
            } catch {
                // Once the configuration names the new children, the restore has happened.
                host.removeUnlessNamed(restore.now.disks)
                throw error
            }
            FaultPoint.restoreResumed.reach()
            let took = ContinuousClock.now - began
            host.removeDiscarded(old)
            return RestoreOutcome(
                checkpoint: id, way: way, microseconds: Int64(took / .microseconds(1)), pauseMicroseconds: pause)
        }
    }

    /// Checks everything that can be refused, and makes new children of all the checkpoint's disks.
    private func prepare(_ id: GUID, _ target: Configuration) throws -> Restore {
        var memory: Restore.Memory?
        if target.checkpoint?.hasMemory == true {
            let state = try SavedState(reading: folder.deviceState(id))
            try check(state, of: id, target)
            memory = try prepare(state, of: id, target)
        }
        // Before the first new file: every disk of the chain is what the next one takes it for.
        _ = try DiskFiles.layers(of: target, in: folder)
        var now = target
        now.name = record.now.name
        now.notes = record.now.notes
        now.created = record.now.created
        now.owner = record.now.owner
        now.checkpoint = nil
        now.ancestors = [id] + target.ancestors
        now.disks = try DiskFiles.createChildren(of: target, in: folder)
        return Restore(id: id, now: now, memory: memory)
    }

    /// Checks the memory's pages as far as they have not been checked, and finds where they are taken from.
    private func prepare(
        _ state: SavedState, of id: GUID, _ target: Configuration
    ) throws(EngineError) -> Restore.Memory {
        let image = try MemoryImage(reading: folder.memoryImage(id))
        guard image.memory == Int(target.memory) else {
            throw EngineError(
                .incompatible,
                "\(image.path): expected a memory of \(target.memory) bytes, found \(image.memory)")
        }
        guard image.digest.description == state.description.memoryDigest else {
            throw EngineError(
                .damaged,
                "\(image.path): expected the memory with digest \(state.description.memoryDigest), found "
                    + "\(image.digest); the two files of this checkpoint do not belong together")
        }
        guard let running, canRestoreInPlace(id, target, state, running) else {
            let flat = try FlatImage.of(id, in: folder, from: image)
            return Restore.Memory(state: state, source: .mapped(flat))
        }
        let stamp = try image.file.stamp()
        if checkedImages[id] != stamp {
            try image.check()
            checkedImages[id] = stamp
        }
        return Restore.Memory(state: state, source: .copied(image))
    }

    private func check(_ state: SavedState, of id: GUID, _ target: Configuration) throws(EngineError) {
        let file = folder.deviceState(id)
        func differs(_ what: String, _ expected: String, _ found: String) throws(EngineError) {
            guard expected != found else { return }
            throw EngineError(
                .incompatible,
                "\(file): \(what): expected \(expected), found \(found); this memory belongs to another "
                    + "moment")
        }
        try differs("machine", record.id.description, state.description.machine.description)
        try differs("checkpoint", id.description, state.description.checkpoint.description)
        try differs(
            "disks", target.disks.map(SavedState.identity).joined(separator: ", "),
            state.description.disks.joined(separator: ", "))
        try differs("memory", "\(target.memory) bytes", "\(state.description.traits.memory) bytes")
        try differs("processors", "\(target.processors)", "\(state.description.traits.processors)")
    }

    private func restore(_ restore: Restore) async throws -> (way: RestoreOutcome.Way, pause: Int64?) {
        guard let memory = restore.memory else {
            try await restoreWithoutMemory(restore)
            return (.off, nil)
        }
        switch memory.source {
        case .copied(let image):
            let machine = try requireRunning("a restore in place")
            return (.inPlace, try await restoreInPlace(restore, memory.state, image, machine))
        case .mapped(let image):
            try await restoreIntoFreshProcess(restore, memory.state, image)
            return (.freshProcess, nil)
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

    /// The checkpoint was made with the machine off: now is off, too.
    private func restoreWithoutMemory(_ restore: Restore) async throws {
        let machine = running
        if let machine {
            do {
                _ = try await machine.process.stop()
            } catch {
                if await !letGo(machine) { await end(machine, because: "it could not be held for a restore: \(error)") }
                throw error
            }
            FaultPoint.restoreStopped.reach()
        }
        do {
            try commitNow(restore.now, fault: .restoreCommit)
        } catch {
            _ = try? await machine?.process.resume()
            throw error
        }
        if let machine { await end(machine, because: "a checkpoint without memory was applied") }
    }

    /// A fresh process maps the checkpoint's image and takes its devices, while the old one only stands stopped.
    private func restoreIntoFreshProcess(_ restore: Restore, _ state: SavedState, _ image: FilePath) async throws {
        let chains = try DiskFiles.open(restore.now, in: folder)
        let old = running
        let fresh = try await launch(
            restore.now, chains: chains, base: image, baseCheckpoint: restore.id,
            clockBase: state.description.clockBase)
        old?.shutGates()
        defer { old?.openGates() }
        do {
            if let mismatch = state.mismatch(with: fresh.process.traits) {
                throw EngineError(
                    .incompatible,
                    "the memory of checkpoint \(restore.id) of machine '\(folder.name)' does not fit "
                        + "this host: \(mismatch)")
            }
            _ = try await old?.process.stop()
            FaultPoint.restoreStopped.reach()
            try await fresh.process.loadDevices(state.devices)
            FaultPoint.restoreLoaded.reach()
            try commitNow(restore.now, fault: .restoreCommit)
        } catch {
            await fresh.process.kill()
            _ = try? await old?.process.resume()
            throw error
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
        console.rewind(to: state.console, because: reason)
        adopt(fresh)
        do {
            _ = try await fresh.process.resume()
        } catch {
            await end(fresh, because: "it could not go on after a restore: \(error)")
            throw error
        }
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
    /// The memory and devices of a checkpoint.
    struct Memory: Sendable {
        var state: SavedState
        var source: Source
    }

    /// Where the pages are taken from.
    enum Source: Sendable {
        /// A fresh process maps the flat image.
        case mapped(FilePath)
        /// The running process gets those that differ, from the `.bin` itself.
        case copied(MemoryImage)
    }

    let id: GUID
    /// The configuration to be, its disks new children.
    let now: Configuration
    let memory: Memory?
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
public import FermataModel
import Foundation
import Hashing
import SystemPackage
import VirtualDisk

/// What a checkpoint is to be.
public struct CheckpointRequest: Hashable, Sendable {
    /// Its name.
    public var name: CheckpointName
    /// The author's notes.
    public var notes: String?
    /// The recipe that makes it, if one does.
    public var owner: RecipeOwnership?
    /// Whether it replaces a checkpoint of the same name.
    public var replaces: Bool
    /// Whether it is the disk-only checkpoint before a recipe's first start.
    public var isOrigin: Bool
    /// How much of the machine it is to hold; an origin is disk-only.
    public var kind: CheckpointTree.Checkpoint.Kind
    /// The checkpoint of several machines to which it is to belong.
    public var labCheckpoint: GUID?

    /// Makes a request.
    public init(
        name: CheckpointName, notes: String? = nil, owner: RecipeOwnership? = nil, replaces: Bool = false,
        isOrigin: Bool = false, kind: CheckpointTree.Checkpoint.Kind = .standard
    ) {
        self.name = name
        self.kind = isOrigin ? .diskOnly : kind
        self.notes = notes
        self.owner = owner
        self.replaces = replaces
        self.isOrigin = isOrigin
    }
}

/// What a checkpoint became.
public struct CheckpointOutcome: Hashable, Sendable {
    /// Its identity.
    public var id: GUID
    /// Its name.
    public var name: CheckpointName
    /// How long the guest stood still, in microseconds; 0 when it was off.
    public var pauseMicroseconds: Int64
    /// How long it took until a crash could not undo it, in milliseconds.
    public var durableMilliseconds: Int64

    /// Makes an outcome.
    public init(id: GUID, name: CheckpointName, pauseMicroseconds: Int64, durableMilliseconds: Int64) {
        self.id = id
        self.name = name
        self.pauseMicroseconds = pauseMicroseconds
        self.durableMilliseconds = durableMilliseconds
    }
}

extension MachineHost {
    /// Holds this moment of the machine: its configuration, its disks, and unless it is off its memory and devices.
    ///
    /// A disk-only checkpoint leaves out memory and devices: its disks are what a power cut at that moment leaves.
    public func checkpoint(_ request: CheckpointRequest) async throws -> CheckpointOutcome {
        var request = request
        // A part of a lab's checkpoint is made with the others only.
        request.labCheckpoint = nil
        return try await checkpoint(request, as: .random(), with: nil)
    }

    /// The same as a part of a checkpoint of several machines, if it is one.
    func checkpoint(
        _ request: CheckpointRequest, as id: GUID, with others: Rendezvous?
    ) async throws -> CheckpointOutcome {
        guard request.replaces else {
            defer { mergeSoon() }
            return try await take(request, as: id, with: others)
        }
        return try await withoutMerging { host in try await host.take(request, as: id, with: others) }
    }

    private func take(
        _ request: CheckpointRequest, as id: GUID, with others: Rendezvous?
    ) async throws -> CheckpointOutcome {
        try await exclusively("a checkpoint") { host in
            try host.requireLock()
            let superseded = try host.superseded(by: request)
            let began = ContinuousClock.now
            var pause: Int64 = 0
            if let machine = host.running {
                pause = try await host.checkpoint(id, request, of: machine, superseding: superseded, with: others)
            } else {
                // A machine without a process stands at every moment.
                for stage in [Rendezvous.Stage.prepared, .stopped, .captured] { try await others?.arrive(at: stage) }
                if host.record.now.saved != nil, request.kind != .diskOnly {
                    try await host.checkpointWhileSaved(id, request, superseding: superseded, with: others)
                } else {
                    try await host.checkpointWhileOff(id, request, superseding: superseded, with: others)
                }
            }
            let outcome = CheckpointOutcome(
                id: id, name: request.name, pauseMicroseconds: pause,
                durableMilliseconds: host.running == nil ? 0 : Int64((ContinuousClock.now - began) / .milliseconds(1)))
            host.eventSource.tell(.checkpointed(request.name, id))
            if let superseded { try host.remove([superseded], toTrash: nil) }
            if host.running == nil { host.recordDigests() }
            return outcome
        }
    }

    private func superseded(by request: CheckpointRequest) throws(EngineError) -> GUID? {
        if let problem = request.name.problem {
            throw EngineError(.wrongState, "the checkpoint name '\(request.name)' \(problem)")
        }
        guard request.kind != .production else {
            throw EngineError(
                .wrongState,
                "a production checkpoint needs an agent that brings the guest's disks to rest, and machine "
                    + "'\(folder.name)' has none; make a standard or a disk-only one")
        }
        // The origin is no checkpoint that anybody asked for.
        guard record.now.allowsCheckpoints || request.isOrigin else {
            throw EngineError(
                .wrongState,
                "machine '\(folder.name)' forbids checkpoints; allow them first, such as with 'fermata vm set "
                    + "\(folder.name) --checkpoints allowed'")
        }
        let same = record.tree.checkpoints.first { $0.name == request.name && !$0.isOrigin }
        guard let same, !request.isOrigin else { return nil }
        guard request.replaces else {
            throw EngineError(
                .exists,
                "machine '\(folder.name)' has a checkpoint '\(request.name)' already; choose another name, or "
                    + "say that it is to be replaced")
        }
        return same.id
    }

    /// A checkpoint of a machine without a process; one that is saved stays so, and keeps its memory to itself.
    private func checkpointWhileOff(
        _ id: GUID, _ request: CheckpointRequest, superseding superseded: GUID?, with others: Rendezvous?
    ) async throws(EngineError) {
        var before = record.now
        before.saved = nil
        try DiskFiles.settle(before, in: folder)
        try beginWriting(to: try DiskFiles.createChildren(of: before, in: folder), behind: id)
        try await commit(id, request, before, state: .off, superseding: superseded, with: others)
    }

    /// Before the pause: now grows from the checkpoint to be, and its disks are empty children.
    ///
    /// An empty child reads as its parent, so a crash from here on is harmless.
    func beginWriting(to children: [Configuration.Disk], behind id: GUID) throws(EngineError) {
        FaultPoint.childrenCreated.reach()
        var now = record.now
        now.disks = children
        now.ancestors = [id] + now.ancestors
        do throws(EngineError) {
            try commitNow(now, fault: .configurationCommit)
        } catch {
            removeUnlessNamed(children)
            throw error
        }
    }

    /// Removes new children of an operation that failed, if the machine's file certainly does not name them.
    func removeUnlessNamed(_ children: [Configuration.Disk]) {
        guard let now = try? folder.now(of: record.id), Set(now.disks).isDisjoint(with: children) else { return }
        DiskFiles.remove(children)
    }

    /// The checkpoint's commit: its configuration appears under its name; with others, once the lab's checkpoint does.
    func commit(
        _ id: GUID, _ request: CheckpointRequest, _ configuration: Configuration, state: MachineState,
        moment: GUID? = nil, superseding superseded: GUID?, with others: Rendezvous?
    ) async throws(EngineError) {
        var configuration = configuration
        configuration.name = request.name.description
        configuration.notes = request.notes.flatMap { $0.isEmpty ? nil : $0 }
        configuration.owner = request.owner
        configuration.created = Int64(Date().timeIntervalSince1970 * 1000)
        configuration.checkpoint = Configuration.Checkpoint(
            kind: request.kind, state: state, moment: moment, isOrigin: request.isOrigin, supersedes: superseded,
            labCheckpoint: request.labCheckpoint)
        try FileSystem.create(folder.memoryFolder(id))
        do throws(EngineError) {
            try FileSystem.commit(configuration.file(), to: folder.checkpoint(id), fault: .checkpointCommit)
        } catch {
            if others != nil { try? folder.removeCheckpoint(id) }
            // As with now: the checkpoint may exist, though not durably for sure.
            if FileSystem.exists(folder.checkpoint(id)) { record = record.committed(id, configuration) }
            throw error
        }
        if let others, let lab = request.labCheckpoint.map(folder.lab.labCheckpoint),
            await !others.decision({ FileSystem.exists(lab) })
        {
            try folder.removeCheckpoint(id)
            isMergeWanted = running != nil
            throw Rendezvous.givenUp
        }
        record = record.committed(id, configuration)
    }

    /// Makes a configuration the machine's own.
    func commitNow(_ now: Configuration, fault: FaultPoint) throws(EngineError) {
        let file = folder.configuration(of: now.machine)
        do throws(EngineError) {
            try FileSystem.commit(now.file(), to: file, fault: fault)
        } catch {
            // A rename may have happened though its folder could not be made durable: the file says which.
            if let found = try? folder.now(of: now.machine) { record = record.committed(found) }
            throw error
        }
        // Nothing is read back: what is wrong with another file must not undo what has happened.
        record = record.committed(now)
    }

    /// A checkpoint of a machine that runs, or is paused and stays so.
    ///
    /// - Returns: the pause in microseconds; 0 for a paused machine.
    private func checkpoint(
        _ id: GUID, _ request: CheckpointRequest, of machine: RunningMachine, superseding superseded: GUID?,
        with others: Rendezvous?
    ) async throws -> Int64 {
        let before = record.now
        let holdsMemory = request.kind != .diskOnly
        let state = holdsMemory ? self.state : .off
        let children = try DiskFiles.createChildren(of: before, in: folder)
        try beginWriting(to: children, behind: id)
        let moment: Moment
        do {
            let extended = try zip(machine.chains, children).map { try $0.extended(byChildAt: FilePath($1.path)) }
            try await others?.arrive(at: .prepared)
            moment = try await hold(machine, extended: extended, holdsMemory: holdsMemory, with: others)
        } catch {
            // Nothing was swapped: now goes on with the disks that it had.
            try? commitNow(before, fault: .configurationCommit)
            removeUnlessNamed(children)
            throw error
        }
        FaultPoint.resumed.reach()
        running?.chains = moment.chains
        try moment.seal(machine.chains)
        FaultPoint.sealed.reach()
        do throws(EngineError) {
            if let captured = moment.captured {
                try write(captured, id, to: folder.memory(ofCheckpoint: id), of: machine, disks: before.disks)
            }
            FaultPoint.memoryWritten.reach()
            try await commit(id, request, before, state: state, superseding: superseded, with: others)
        } catch {
            // Half a memory would keep the host's disk full; the guest goes on.
            if !FileSystem.exists(folder.checkpoint(id)) { try? FileSystem.removeAll(folder.memoryFolder(id)) }
            throw error
        }
        if holdsMemory { running?.captured.insert(id) }
        return moment.pause
    }

    /// The pause: stop, device state and changed pages if they are wanted, disks swapped, continue.
    private func hold(
        _ machine: RunningMachine, extended: [DiskChain], holdsMemory: Bool, with others: Rendezvous?
    ) async throws -> Moment {
        let process = machine.process
        if holdsMemory {
            // Memory for the pages is touched before the pause; what changes until then finds room in the reserve.
            let expected = try process.changedPages().reduce(0) { $0 + $1.byteCount }
            try pages.reserve(expected + (16 << 20))
        }
        let ownFlushes = holdsMemory ? process.ownFlushes.inStop + process.ownFlushes.inSave : process.ownFlushes.inStop
        machine.shutGates()
        defer { settleGates(of: machine) }
        var isWaitedFor = Set<Int>()
        for (index, disk) in process.disks.enumerated()
        where await disk.holdFlushes(limit: settings.flushPatience) {
            isWaitedFor.insert(index)
        }
        var isSwapped = false
        let barrier = SealBarrier()
        do {
            let stopped = try await stand(machine)
            try await others?.arrive(at: .stopped)
            let captured = holdsMemory ? try await capture(machine) : nil
            try await others?.arrive(at: .captured)
            for (index, disk) in process.disks.enumerated()
            where isWaitedFor.contains(index) || disk.heldFlushes > ownFlushes {
                // One of these was the guest's, and it was told that its writes are durable.
                try machine.chains[index].flush()
            }
            isSwapped = true
            for (disk, chain) in zip(process.disks, extended) {
                try disk.replace(with: chain)
                disk.release(behind: barrier.wait)
            }
            FaultPoint.disksSwapped.reach()
            let resumed = machine.standing == nil ? try await process.resume() : stopped
            return Moment(
                captured: captured, chains: extended, barrier: barrier,
                pause: resumed.microseconds - stopped.microseconds)
        } catch {
            // Nobody seals the parents any more, so nobody may go on waiting for it.
            barrier.open(error)
            guard !isSwapped else {
                await end(machine, because: "it could not go on after a checkpoint: \(error)", isTold: true)
                throw error
            }
            if await !letGo(machine) {
                let reason = "it could not go on after a checkpoint that failed: \(error)"
                await end(machine, because: reason, isTold: true)
            }
            throw error
        }
    }

    /// Holds a machine, if it does not stand already.
    func stand(_ machine: RunningMachine) async throws -> HypervisorTime {
        let stopped = try await machine.process.stop()
        FaultPoint.stopped.reach()
        return stopped
    }

    /// Takes out of a machine that stands all but its disks; its pages are in the buffer then.
    func capture(_ machine: RunningMachine) async throws -> Captured {
        let process = machine.process
        repeat {
            process.console.receivePending(console.append)
            process.agent.receivePending(machine.session.receive)
        } while try await process.holdsAgentOutput()
        let devices = try await process.saveDevices()
        FaultPoint.devicesSaved.reach()
        process.console.receivePending(console.append)
        let changed = try process.changedPages()
        try pages.reserve(changed.byteCount)
        try unsafe process.readMemory(changed, into: pages.bytes(changed.byteCount))
        return Captured(devices: devices, changed: changed, console: console.unmatched)
    }

    /// Lets a held machine go on with the disks that it has, or stand if it stood: first, what it was told is durable
    /// is made so.
    ///
    /// - Returns: whether it goes on, or stands as before.
    func letGo(_ machine: RunningMachine) async -> Bool {
        guard machine.standing == nil else {
            // A guest that stood all the time was told nothing.
            for disk in machine.process.disks { disk.release(behind: nil) }
            return true
        }
        for (disk, chain) in zip(machine.process.disks, machine.chains) {
            guard (try? chain.flush()) != nil else { return false }
            disk.release(behind: nil)
        }
        return (try? await machine.process.resume()) != nil
    }

    /// Makes what was taken out of a machine durable, its pages still in the buffer.
    ///
    /// - Parameter moment: the identity by which a configuration names it.
    func write(
        _ captured: Captured, _ moment: GUID, to files: MemoryFiles, of machine: RunningMachine,
        disks: [Configuration.Disk]
    ) throws(EngineError) {
        try FileSystem.create(files.folder)
        let digest = try unsafe MemoryImage.write(
            to: files.image, base: machine.base, changed: captured.changed,
            pages: UnsafeRawBufferPointer(pages.bytes(captured.changed.byteCount)))
        checkedImages[moment] = try PageFile(reading: files.image).stamp()
        let state = SavedState(
            description: SavedState.Description(
                machine: record.id, checkpoint: moment, traits: machine.process.traits,
                disks: disks.map(SavedState.identity), memoryDigest: digest.description,
                clockBase: machine.clockBase),
            devices: captured.devices, console: captured.console)
        try FileSystem.write(state.encoded(), to: files.devices)
        try FileSystem.synchronize(files.folder)
        try FileSystem.synchronize(files.folder.removingLastComponent())
    }
}

/// What was taken out of a machine that stands, its pages and its disks aside.
struct Captured: Sendable {
    var devices: [UInt8]
    var changed: [PageRun]
    var console: [UInt8]
}

/// A machine's moment that a checkpoint is made of.
struct Moment: Sendable {
    /// Memory and devices, if they are held.
    var captured: Captured?
    /// The chains that take the writes from the moment on.
    var chains: [DiskChain]
    var barrier: SealBarrier
    /// How long the guest stood still, in microseconds.
    var pause: Int64

    /// Makes the parents durable as they were at the moment; FLUSHes of the children wait for it.
    func seal(_ parents: [DiskChain]) throws {
        do {
            for (parent, child) in zip(parents, chains) {
                try parent.seal(modificationTime: child.layers.first?.parent?.modificationTime)
            }
            barrier.open(nil)
        } catch {
            barrier.open(error)
            throw error
        }
    }
}

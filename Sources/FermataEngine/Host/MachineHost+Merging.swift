// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import Dispatch
import FermataModel
import Logging
import Synchronization
import SystemPackage
import VirtualDisk

/// The merging of disks that no checkpoint needs any more, while the machine runs; before it, the digests of checkpoints.
///
/// ```
///   find a pair ──► prepare ──► copy ──► commit ──► find a pair ──► …
///                   in turn              in turn, the disk's requests held for a moment
/// ```
/// Whatever is read through the disks stays the same at every moment. Operations that take disks away, or make new ones
/// of a checkpoint's, end the merge first, and it begins again after them; what was copied is mostly kept.
extension MachineHost {
    /// Merges what can be merged, and returns when nothing is left of it, or the merge was stopped.
    ///
    /// It happens by itself whenever checkpoints were deleted; this is for who waits for it, and for what was stopped.
    ///
    /// - Parameter rate: the most bytes that are copied in a second from now on; 0 is no limit, nil leaves it as it is.
    /// - Returns: the bytes that were copied while this waited.
    @discardableResult
    public func mergeDisks(rate: UInt64? = nil) async throws -> UInt64 {
        try requireLock()
        if let rate {
            settings.mergeRate = rate == 0 ? nil : rate
            // What is under way goes on at the new rate.
            await stopMerging()
        }
        if isMergingStopped {
            isMergingStopped = false
            mergeHolds -= 1
        }
        if running == nil, try await mergeWithoutPower() { return 0 }
        isMergeWanted = true
        mergeSoon()
        guard let merging else { return 0 }
        let before = merging.control.copied
        await merging.task.value
        return merging.control.copied - before
    }

    /// - Returns: false when the machine has got power meanwhile.
    private func mergeWithoutPower() async throws -> Bool {
        try await withoutMerging { host in
            try await host.exclusively("merging disks") { host in
                guard host.running == nil else { return false }
                try UnownedDisks(of: host.folder).merge()
                host.record = try MachineRecord(reading: host.folder)
                return true
            }
        }
    }

    /// Ends a merge of disks under way; none begins again before ``mergeDisks(rate:)``.
    public func stopMergingDisks() async {
        if !isMergingStopped {
            isMergingStopped = true
            mergeHolds += 1
        }
        await stopMerging()
    }

    /// Does what no merge may be beside.
    func withoutMerging<Result: Sendable>(
        _ body: (isolated MachineHost) async throws -> Result
    ) async rethrows -> Result {
        mergeHolds += 1
        await stopMerging()
        defer {
            mergeHolds -= 1
            mergeSoon()
        }
        return try await body(self)
    }

    func stopMerging() async {
        guard let merging else { return }
        merging.control.cancel()
        // Who only looks for disks is in nobody's way, and looks in vain.
        if merging.control.isLooking { self.merging = nil } else { await merging.task.value }
    }

    /// Begins to work out digests and to merge what can be merged, unless it is under way or kept away.
    func mergeSoon() {
        guard isMergeWanted || !pendingDigests.isEmpty, mergeHolds == 0, merging == nil, running != nil, lock.isHeld
        else { return }
        let control = MergeControl(rate: settings.mergeRate)
        merging = (
            control,
            Task {
                await self.merge(control)
                if self.merging?.control === control { self.merging = nil }
            }
        )
    }

    private func merge(_ control: MergeControl) async {
        var left: Set<UnownedDisks.Pair> = []
        while !control.isCancelled {
            // The digests of the disks as they are come before any of them is merged.
            await recordDigests(control)
            guard !control.isCancelled, isMergeWanted || !pendingDigests.isEmpty else { return }
            guard isMergeWanted else { continue }
            let (unowned, known) = (UnownedDisks(of: folder), left)
            control.isLooking = true
            let found = try? await away { try unowned.next(except: known) }
            guard !control.isCancelled else { return }
            control.isLooking = false
            guard let pair = found else {
                isMergeWanted = false
                continue
            }
            do {
                if let index = pair.now {
                    try await mergeLeaf(pair, index, control)
                } else {
                    try await mergeSealed(pair, control)
                }
            } catch {
                guard !control.isCancelled else { return }
                Logger(label: "fermata.engine").warning(
                    "machine '\(folder.name)': \(pair.disk) is not merged: \(error)")
                left.insert(pair)
            }
        }
    }

    /// Merges a disk into the one that grew from it, neither of which takes writes.
    private func mergeSealed(_ pair: UnownedDisks.Pair, _ control: MergeControl) async throws {
        // From here on the machine reads both through files that nothing of its own writes to.
        try await exclusively { host in
            try control.requireGoing()
            try host.requireStill(pair)
            try await host.reopenChains(through: pair.disk)
        }
        let lab = folder.lab.path
        let merge = try await away { try ChildMerge(of: pair.disk, into: pair.child, beneath: lab) }
        try await away { try merge.copy(progress: control.pace) }
        try await exclusively { host in
            try control.requireGoing()
            try host.requireStill(pair)
            FaultPoint.mergeCopied.reach()
            _ = try merge.commit()
            FaultPoint.mergeCommitted.reach()
            // Else the space is given back when the machine is off.
            try? await host.reopenChains(through: pair.child)
        }
    }

    /// Opens the ancestors of the disks anew that read through a file.
    private func reopenChains(through file: FilePath) async throws {
        guard let machine = running else { return }
        for (index, chain) in machine.chains.enumerated() where chain.layers.contains(where: { $0.path == file }) {
            let fresh = try chain.reopened()
            try await machine.process.disks[index].exchange { fresh }
            guard running?.generation == machine.generation else { return }
            running?.chains[index] = fresh
        }
    }

    /// Merges the disk that takes the guest's writes into the one from which it grew.
    private func mergeLeaf(_ pair: UnownedDisks.Pair, _ index: Int, _ control: MergeControl) async throws {
        let merge = try await exclusively { host in
            try control.requireGoing()
            try host.requireStill(pair)
            guard let machine = host.running, machine.chains.indices.contains(index) else {
                throw EngineError(.wrongState, "the machine is off")
            }
            let chain = try machine.chains[index].reopened()
            let merge = try LeafMerge(of: chain, into: pair.disk)
            let device = merge.device
            try await machine.process.disks[index].exchange { device }
            if host.running?.generation == machine.generation { host.running?.chains[index] = chain }
            return merge
        }
        do {
            try await away {
                try merge.copy(true, progress: control.pace)
                // What is written meanwhile is less each time, unless the guest writes faster than it is copied.
                for _ in 0..<Self.mostRounds where merge.remaining > Self.littleEnough {
                    try merge.copy(false, progress: control.pace)
                }
                try merge.flush()
            }
            try await exclusively { host in
                try control.requireGoing()
                try host.requireStill(pair)
                try await host.finish(merge, pair, index)
            }
        } catch {
            await exclusively { host in
                // In turn, too: a merge without power may be at the same disk next.
                defer { merge.abandon() }
                // Unless a checkpoint or the machine's end has taken its place, the disk is as before.
                guard let machine = host.running, machine.chains.indices.contains(index),
                    machine.chains[index] === merge.chain
                else { return }
                try? await machine.process.disks[index].exchange { merge.chain }
            }
            throw error
        }
    }

    /// Refuses to merge disks that have got an owner since they were looked for, or another place.
    ///
    /// A look takes time, and a checkpoint can begin meanwhile: between its two commits no configuration names the disk
    /// that it is to hold.
    private func requireStill(_ pair: UnownedDisks.Pair) throws(EngineError) {
        func names(_ configuration: Configuration, _ file: FilePath) -> Bool {
            configuration.disks.contains { FilePath($0.path).lastComponent == file.lastComponent }
        }
        let isOwned = ([record.now] + record.checkpoints.values).contains { names($0, pair.disk) }
        let now = record.now.disks.firstIndex { FilePath($0.path).lastComponent == pair.child.lastComponent }
        let isHeld = record.checkpoints.values.contains { names($0, pair.child) }
        guard !isOwned, now == pair.now, now == nil || !isHeld else {
            throw EngineError(.stale, "its disks have changed since they were looked for")
        }
    }

    private static var mostRounds: Int { 8 }
    /// So much is copied while the guest's requests wait.
    private static var littleEnough: UInt64 { 16 << 20 }

    /// The last step: with the guest's requests held, the rest is copied, and the configuration names the disk.
    private func finish(_ merge: LeafMerge, _ pair: UnownedDisks.Pair, _ index: Int) async throws {
        guard let machine = running, machine.chains.indices.contains(index), machine.chains[index] === merge.chain
        else { throw EngineError(.stale, "the machine goes on from another disk") }
        guard merge.remaining <= Self.littleEnough * 4 else {
            throw EngineError(.stale, "the guest writes to it faster than it can be merged")
        }
        var now = record.now
        now.disks[index].path = pair.disk.string
        let (text, file, merged) = (try now.file(), folder.configuration(of: now.machine), now)
        FaultPoint.mergeCopied.reach()
        let isDurable = Mutex(true)
        try await machine.process.disks[index].exchange {
            try merge.finish()
            do throws(EngineError) {
                try FileSystem.commit(text, to: file, fault: .configurationCommit)
            } catch {
                // A rename may have happened though its folder could not be made durable: the file says which.
                guard (try? Configuration(reading: file))?.disks == merged.disks else { throw error }
                isDurable.withLock { $0 = false }
            }
            return merge.target
        }
        record = record.committed(now)
        if running?.generation == machine.generation { running?.chains[index] = merge.target }
        FaultPoint.mergeCommitted.reach()
        // After a power cut the file that names it may be back; the next writer removes it.
        if isDurable.withLock({ $0 }) { try? FileSystem.remove(pair.child) }
    }

    /// Does blocking work away from the machine's thread.
    private nonisolated func away<Result: Sendable>(
        _ work: @escaping @Sendable () throws -> Result
    ) async throws -> Result {
        try await withCheckedThrowingContinuation { continuation in
            DispatchQueue(label: "fermata.merge", qos: .utility).async {
                continuation.resume(with: Swift.Result { try work() })
            }
        }
    }
}

extension MergeControl {
    /// Refuses to go on with a merge that was stopped.
    func requireGoing() throws(EngineError) {
        guard !isCancelled else { throw EngineError(.stale, "the merge was stopped") }
    }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import FermataModel
import SystemPackage
import VirtualDisk

extension MachineHost {
    /// The running process takes the checkpoint's pages, devices and disks.
    ///
    /// What the pause needs is made ready before it: the disks are open, the configuration is durable beside its
    /// place, and the pages that differ so far are in memory. Once anything of the machine is replaced it can only go
    /// on or be killed: then it is off on its old disks.
    ///
    /// - Returns: the pause in microseconds; nil unless the machine ran before and runs after it.
    func restoreInPlace(
        _ restore: Restore, _ state: SavedState, _ image: MemoryImage, _ machine: RunningMachine, goesOn: Bool
    ) async throws -> Int64? {
        let process = machine.process
        let chains = try DiskFiles.open(restore.now, in: folder)
        let now = restore.now
        let configuration = try prepare(now, for: restore.others)
        defer { if record.now != now { try? FileSystem.remove(configuration) } }
        let foreseen = try process.changedPages()
        try pages.reserve(foreseen.byteCount + (16 << 20))
        try unsafe image.read(foreseen, into: pages.bytes(foreseen.byteCount))
        machine.shutGates()
        defer { settleGates(of: machine) }
        machine.discardUnread()
        for disk in process.disks { _ = await disk.holdFlushes(limit: settings.flushPatience) }
        let stopped: HypervisorTime
        do {
            stopped = try await process.stop()
        } catch {
            let reason = EngineError(.reverted, "a restore of machine '\(folder.name)' was given up")
            machine.session.begin(because: reason)
            if await !letGo(machine) {
                await end(machine, because: "it could not be held for a restore: \(error)", isTold: true)
            }
            throw error
        }
        FaultPoint.restoreStopped.reach()
        do {
            machine.discardUnread()
            process.console.receivePending(console.append)
            process.agent.receivePending { _ in }
            for (disk, chain) in zip(process.disks, chains) { try disk.replace(with: chain) }
            FaultPoint.restoreSwapped.reach()
            try rewrite(process, foreseen: foreseen, from: image)
            try await process.loadDevices(state.devices)
            FaultPoint.restoreLoaded.reach()
            // What the devices had still to say, and what was sent while they were loaded, belongs to the past.
            machine.discardUnread()
            process.console.receivePending { _ in }
            process.agent.receivePending { _ in }
            try await commit(configuration, now, fault: .restoreCommit, with: restore.others)
        } catch {
            // A rename may have happened though its folder could not be made durable: the file says which.
            if let found = try? folder.now(of: now.machine) { record = record.committed(found) }
            await end(machine, because: "a restore failed half-way: \(error)", isTold: true)
            throw error
        }
        running?.chains = chains
        for disk in process.disks { disk.release(behind: nil) }
        let reason = EngineError(.reverted, "machine '\(folder.name)' was restored to a checkpoint meanwhile")
        console.begin(at: state.console, because: reason, telling: restoration(to: restore.id))
        machine.session.begin(because: reason)
        // It may have restarted since this began.
        let restarts = running?.restarts ?? machine.restarts
        running?.restartsSeen = restarts
        running?.standing = goesOn ? nil : .asked
        guard goesOn else { return nil }
        do {
            let resumed = try await process.resume()
            return machine.standing == nil ? resumed.microseconds - stopped.microseconds : nil
        } catch {
            if let running { await end(running, because: "it could not go on after a restore: \(error)", isTold: true) }
            throw error
        }
    }

    /// Makes every changed page of the process what it is in the image.
    ///
    /// - Parameter foreseen: those whose content the buffer holds already.
    private func rewrite(_ process: any VirtualMachine, foreseen: [PageRun], from image: MemoryImage) throws {
        let others = try process.changedPages().subtracting(foreseen)
        try unsafe process.writeMemory(foreseen, from: UnsafeRawBufferPointer(pages.bytes(foreseen.byteCount)))
        guard !others.isEmpty else { return }
        let count = others.byteCount
        try pages.reserve(count)
        try unsafe image.read(others, into: pages.bytes(count))
        try unsafe process.writeMemory(others, from: UnsafeRawBufferPointer(pages.bytes(count)))
    }
}

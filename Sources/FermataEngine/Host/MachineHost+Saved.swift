// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import FermataModel
import SystemPackage
import VirtualDisk

/// Saving and starting again, and where each can be cut off:
/// ```
///  save()   held ─► .bin, .vsv durable ─► XML says saved ─► the process ends
///                                         ▲ the commit
///  start()  a held process has the memory ─► XML no longer says saved ─► continues ─► .bin, .vsv removed
///                                            ▲ the commit
/// ```
extension MachineHost {
    /// Puts memory and devices on disk, durably, and ends the process: the machine is saved.
    ///
    /// - Throws: an error after which the machine goes on as before.
    public func save() async throws {
        try await exclusively("saving") { host in
            try host.requireLock()
            guard host.running != nil || host.record.now.saved == nil else {
                throw EngineError(.wrongState, "machine '\(host.folder.name)' is saved already")
            }
            try await host.save(try host.requirePower("saving"))
        }
    }

    private func save(_ machine: RunningMachine) async throws {
        let process = machine.process
        try pages.reserve(try process.changedPages().byteCount + (16 << 20))
        machine.shutGates()
        defer { settleGates(of: machine) }
        for disk in process.disks { _ = await disk.holdFlushes(limit: settings.flushPatience) }
        let moment = GUID.random()
        let files = folder.savedMemory(of: record.id)
        do {
            _ = try await stand(machine)
            let captured = try await capture(machine)
            for chain in machine.chains { try chain.flush() }
            try files.remove()
            try write(captured, moment, to: files, of: machine, disks: record.now.disks)
            FaultPoint.savedWritten.reach()
            var now = record.now
            now.saved = .own(moment: moment)
            try commitNow(now, fault: .saveCommit)
        } catch {
            if record.now.saved == nil {
                // Half a memory would keep the host's disk full.
                try? files.remove()
                if await !letGo(machine) {
                    await end(machine, because: "it could not go on after it was not saved: \(error)", isTold: true)
                }
            } else {
                await end(machine, because: "it was saved, but not durably for sure: \(error)", isTold: true)
            }
            throw error
        }
        await end(machine, because: "it was saved")
    }

    /// Loads a saved machine's memory into a process of its own, and lets it go on.
    func startSaved(_ saved: Configuration.SavedMemory) async throws {
        let source = try record.memory(of: saved)
        let state = try SavedState(reading: source.files.devices)
        try check(state, of: source, record.now)
        let image = try memoryImage(of: source, state, record.now)
        var now = record.now
        now.saved = nil
        let flat = try FlatImage.of(source.id, in: folder, from: image)
        try await loadIntoFreshProcess(now, state, flat, from: source, fault: .startCommit)
        removeSavedMemory()
    }

    /// Forgets the memory of a saved machine: it is off.
    func discardSaved() throws {
        var now = record.now
        now.saved = nil
        try commitNow(now, fault: .discardCommit)
        tellState()
        removeSavedMemory()
    }

    /// Removes the machine's own memory files, unless it is saved in them; what cannot be removed goes with the next open.
    func removeSavedMemory() {
        if case .own = record.now.saved { return }
        try? folder.removeSavedMemory(of: record.id)
        FaultPoint.savedRemoved.reach()
    }

    /// A checkpoint of a saved machine: its memory gets a second name, and the machine stays saved.
    func checkpointWhileSaved(
        _ id: GUID, _ request: CheckpointRequest, superseding superseded: GUID?, with others: Rendezvous?
    ) async throws(EngineError) {
        try takeOverMemory(of: nil)
        guard let saved = record.now.saved else { return }
        let source = try record.memory(of: saved)
        var before = record.now
        before.saved = nil
        let files = folder.memory(ofCheckpoint: id)
        do throws(EngineError) {
            try source.files.link(to: files)
            try DiskFiles.settle(before, in: folder)
            try beginWriting(to: try DiskFiles.createChildren(of: before, in: folder), behind: id)
            try await commit(
                id, request, before, state: .saved, moment: source.moment, superseding: superseded, with: others)
        } catch {
            // These are second names only; the machine stays saved in the first.
            if !FileSystem.exists(folder.checkpoint(id)) { try? FileSystem.removeAll(files.folder) }
            throw error
        }
    }

    /// Makes the memory the machine's own that lies in a checkpoint's folder, since that folder is about to go.
    ///
    /// - Parameter checkpoints: those that are; nil for any.
    func takeOverMemory(of checkpoints: Set<GUID>?) throws(EngineError) {
        guard case .checkpoint(let id) = record.now.saved, checkpoints?.contains(id) != false else { return }
        let source = try record.memory(of: .checkpoint(id))
        try source.files.link(to: folder.savedMemory(of: record.id))
        var now = record.now
        now.saved = .own(moment: source.moment)
        try commitNow(now, fault: .configurationCommit)
    }
}

extension MachineFolder {
    /// Removes the memory of a saved machine, and the flat image that was made of it.
    func removeSavedMemory(of id: GUID) throws(EngineError) {
        try savedMemory(of: id).remove()
        try FlatImage.remove(of: id, in: lab)
    }
}

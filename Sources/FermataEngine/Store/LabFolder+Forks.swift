// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import Foundation
import SystemPackage
import VirtualDisk

/// Machines that begin at a checkpoint of another one.
///
/// ```
///   <Name>/Snapshots/<VMGUID>/X.avhd          a checkpoint's disk
///     ▲
///   <Fork>/Snapshots/<FORKGUID>/Y.avhd        an empty child, the fork's now
///
///   <Name>/Snapshots/<CP>/<CP>.bin            ═══ a second name ═══►  <Fork>/Virtual Machines/<FORKGUID>/<FORKGUID>.bin
///   <Name>/Snapshots/<CP>/<CP>.vsv            ──── made anew ─────►  …/<FORKGUID>.vsv    the same devices, as the fork's
/// ```
/// Who makes one holds the source's lock, so that no checkpoint goes meanwhile and no disk of the source is merged, and
/// the lab's, so that no machine does. From the rename on, the fork's configuration tells everyone in the lab which disks
/// it needs.
extension LabFolder {
    /// Makes a fork of a machine whose lock the caller holds; it exists once its folder has its name.
    ///
    /// - Parameters:
    ///   - source: the machine.
    ///   - configuration: that of one of its checkpoints.
    ///   - owner: the recipe that makes it, if one does.
    ///   - memory: the checkpoint's memory, checked; nil for a fork that is off.
    /// - Returns: its identity.
    func createFork(
        _ name: MachineName, of source: MachineFolder, at configuration: Configuration, owner: RecipeOwnership?,
        memory: (state: SavedState, files: MemoryFiles)?
    ) throws(EngineError) -> GUID {
        if let problem = name.problem {
            throw EngineError(.wrongState, "the machine name '\(name)' \(problem)")
        }
        let lock = try FolderLock(path, of: "the lab \(path)")
        defer { withExtendedLifetime(lock) {} }
        try removeLeftoversWithLock()
        let target = machine(name)
        guard !FileSystem.exists(target.path) else {
            throw EngineError(.exists, "\(target.path) exists already; choose another name, or remove it")
        }
        let unfinished = path.appending(".\(name).\(GUID.random()).new")
        do {
            let id = try fill(
                unfinished, of: source, at: configuration, owner: owner, memory: memory, target: target)
            FaultPoint.forkCommit.before()
            try FileSystem.move(unfinished, to: target.path)
            FaultPoint.forkCommit.after()
            return id
        } catch {
            try? FileSystem.removeAll(unfinished)
            throw error as? EngineError ?? EngineError(.system, "\(target.path): \(error)", underlying: error)
        }
    }

    private func fill(
        _ unfinished: FilePath, of source: MachineFolder, at configuration: Configuration, owner: RecipeOwnership?,
        memory: (state: SavedState, files: MemoryFiles)?, target: MachineFolder
    ) throws -> GUID {
        let id = GUID.random()
        let virtualMachines = unfinished.appending("Virtual Machines")
        let saved = virtualMachines.appending("\(id)")
        let snapshots = unfinished.appending("Snapshots")
        let disks = snapshots.appending("\(id)")
        for folder in [virtualMachines, saved, snapshots, disks] { try FileSystem.create(folder) }
        var now = configuration
        now.machine = id
        now.name = target.name.description
        now.notes = nil
        now.created = Int64(Date().timeIntervalSince1970 * 1000)
        now.owner = owner
        now.checkpoint = nil
        now.digests = nil
        now.ancestors = []
        now.disks = []
        for disk in configuration.disks {
            let parent = try DiskFiles.path(of: disk, machine: configuration.machine, in: source)
            let format = DiskFormat(path: parent) ?? .vhd
            let file = "\(GUID.random()).a\(format)"
            // A hidden folder lies as deep as the one that it becomes: the path to the parent holds in both.
            try format.createChild(at: disks.appending(file), of: parent, permissions: .ownerReadWrite)
            now.disks.append(
                Configuration.Disk(name: disk.name, path: target.differencingDisks(of: id).appending(file).string))
        }
        FaultPoint.forkDisksCreated.reach()
        if let memory {
            let moment = GUID.random()
            var state = memory.state
            state.description.machine = id
            state.description.checkpoint = moment
            state.description.disks = now.disks.map(SavedState.identity)
            try FileSystem.link(memory.files.image, as: saved.appending("\(id).bin"))
            try FileSystem.write(state.encoded(), to: saved.appending("\(id).vsv"))
            now.saved = .own(moment: moment)
            FaultPoint.forkMemoryWritten.reach()
        } else if now.devices.networkAddress != nil {
            // A guest that goes on has seen its address; one that starts has not.
            now.devices.networkAddress = Configuration.Devices.randomAddress()
        }
        try FileSystem.commit(now.file(), to: virtualMachines.appending("\(id).xml"))
        for folder in [saved, disks, virtualMachines, snapshots, unfinished] { try FileSystem.synchronize(folder) }
        return id
    }

    /// Refuses what takes a machine's disks away while others read through them.
    ///
    /// - Parameters:
    ///   - what: what the machine was to, such as `be deleted`.
    ///   - keepsDisks: whether its disks stay for forks that are in the trash.
    func requireNoForks(
        of folder: MachineFolder, to what: String, keepingDisks keepsDisks: Bool = false
    ) throws(EngineError) {
        let readers = try readers(of: folder)
        if !keepsDisks, let fork = readers.filter({ $0.discarded != nil }).map(\.name).min() {
            throw EngineError(
                .wrongState,
                "machine '\(folder.name)' cannot \(what): its fork '\(fork)' is in the trash, and reads through its disks; "
                    + "remove that with 'fermata gc \(fork)' first")
        }
        let forks = readers.filter { $0.discarded == nil }.map(\.name).sorted()
        guard !forks.isEmpty else { return }
        let names = forks.map { "'\($0)'" }.joined(separator: ", ")
        throw EngineError(
            .wrongState,
            "machine '\(folder.name)' cannot \(what): \(names) \(forks.count == 1 ? "is its fork, and reads" : "are its forks, and read") "
                + "through its disks; make \(forks.count == 1 ? "it" : "them") independent with 'fermata vm promote', or "
                + "delete \(forks.count == 1 ? "it" : "them") first")
    }

    /// The machines besides one whose disks read through its own; deleted ones are among them.
    func readers(of folder: MachineFolder) throws(EngineError) -> Set<MachineFolder> {
        try readers(of: [folder])[folder] ?? []
    }

    /// Of each of some machines those besides it whose disks read through its own; deleted ones are among them.
    public func readers(of folders: [MachineFolder]) throws(EngineError) -> [MachineFolder: Set<MachineFolder>] {
        let machines = try machines() + deletedMachines()
        guard !folders.isEmpty, machines.contains(where: { folders != [$0] }) else { return [:] }
        let references = try? DiskReferences(of: self)
        let readers = folders.map { folder in
            // Where a machine is damaged, the files of the others still tell from which they grew.
            references?.readers(of: folder)
                ?? Set(machines.filter { $0 != folder && $0.reads(through: folder) })
        }
        return Dictionary(zip(folders, readers), uniquingKeysWith: { $0.union($1) })
    }
}

extension MachineFolder {
    /// Whether any disk file of the machine grew from one of another machine's, as far as can be told.
    fileprivate func reads(through other: MachineFolder) -> Bool {
        let owned = ((try? FileSystem.entries(of: snapshots)) ?? []).filter { GUID($0) != nil }
        for place in [path] + owned.map({ snapshots.appending($0) }) {
            for name in (try? FileSystem.entries(of: place)) ?? [] where DiskFormat(path: FilePath(name)) != nil {
                guard let disk = try? DiskInfo.inspect(place.appending(name), beneath: lab.path) else { continue }
                let known = disk.chain + (disk.parent?.path.map { [$0] } ?? [])
                if known.contains(where: { $0.starts(with: other.path) }) { return true }
            }
        }
        return false
    }
}

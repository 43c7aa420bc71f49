// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

public import FermataModel
import Foundation
import Logging
public import SystemPackage
import VirtualDisk

extension LabFolder {
    /// Makes a machine, off, with empty disks; it exists once its folder has its name.
    ///
    /// ```
    ///  .<Name>.<GUID>.new   filled, durable ──rename──────────────────► <Name>
    ///                                       ──exchange with the old one─► <Name>, and what has the other name goes
    /// ```
    /// - Parameters:
    ///   - definition: its hardware and its disks.
    ///   - old: the machine of that name, if there is one and it is to give way: it is gone when the new one exists,
    ///     not before.
    ///   - file: finds a boot file by its path as written.
    ///   - bootFiles: the SHA-256 digests that the boot files must have, kernel first; unless nil.
    ///   - owner: the recipe that makes it, if one does.
    /// - Throws: ``EngineError/Code/stale`` when the old machine or the boot files are other ones,
    ///   ``EngineError/Code/busy`` when the old one is in use; nothing is changed then.
    public func createMachine(
        _ definition: MachineDefinition, replacing old: GUID? = nil, file: (String) -> FilePath,
        expecting bootFiles: [String]? = nil, owner: RecipeOwnership? = nil
    ) throws(EngineError) -> MachineFolder {
        let lock = try FolderLock(path, of: "the lab \(path)")
        defer { withExtendedLifetime(lock) {} }
        try removeLeftoversWithLock()
        let target = machine(definition.name)
        if let problem = definition.name.problem {
            throw EngineError(.wrongState, "the machine name '\(definition.name)' \(problem)")
        }
        let oldLock = try old.map { id throws(EngineError) in try hold(target, as: id) }
        defer { withExtendedLifetime(oldLock) {} }
        if old != nil { try requireNoForks(of: target, to: "be replaced") }
        guard old != nil || !FileSystem.exists(target.path) else {
            throw EngineError(.exists, "\(target.path) exists already; choose another name, or remove it")
        }
        let unfinished = path.appending(".\(definition.name).\(GUID.random()).new")
        var isInPlace = false
        do {
            try fill(unfinished, definition, file: file, expecting: bootFiles, owner: owner, target: target)
            FaultPoint.machineCommit.before()
            if old == nil {
                try FileSystem.move(unfinished, to: target.path)
            } else {
                try FileSystem.exchange(unfinished, with: target.path)
                isInPlace = true
                try FileSystem.synchronize(path)
            }
            FaultPoint.machineCommit.after()
        } catch {
            // Of two that have changed places, the next writer removes the one that lost its name.
            if !isInPlace { try? FileSystem.removeAll(unfinished) }
            throw error as? EngineError ?? EngineError(.system, "\(target.path): \(error)", underlying: error)
        }
        if isInPlace { discardNow(unfinished) }
        return target
    }

    /// Takes the lock of a machine, which must be the one that the caller means.
    private func hold(_ folder: MachineFolder, as id: GUID) throws(EngineError) -> FolderLock {
        let lock = try FolderLock(folder.path, of: "machine '\(folder.name)'")
        guard try folder.identity() == id else {
            throw EngineError(.stale, "machine '\(folder.name)' is not the one that was to be replaced; plan again")
        }
        return lock
    }

    private func fill(
        _ unfinished: FilePath, _ definition: MachineDefinition, file: (String) -> FilePath,
        expecting bootFiles: [String]?, owner: RecipeOwnership?, target: MachineFolder
    ) throws {
        let id = GUID.random()
        let virtualMachines = unfinished.appending("Virtual Machines")
        for folder in [virtualMachines, virtualMachines.appending("\(id)"), unfinished.appending("Snapshots")] {
            try FileSystem.create(folder)
        }
        var disks: [Configuration.Disk] = []
        for (index, disk) in definition.disks.enumerated() {
            let path = target.baseDisk(disk.name, isFirst: index == 0, fileExtension: disk.format.rawValue)
            guard let name = path.lastComponent else { continue }
            let format: DiskFormat
            switch disk.format {
            case .vhd: format = .vhd
            case .vhdx: format = .vhdx
            }
            try format.create(at: unfinished.appending(name), size: disk.size.bytes, permissions: .ownerReadWrite)
            disks.append(Configuration.Disk(name: disk.name, path: path.string))
        }
        let configuration = Configuration(
            machine: id, name: definition.name.description, created: Int64(Date().timeIntervalSince1970 * 1000),
            notes: nil, memory: definition.memory.bytes, processors: definition.processors,
            boot: try definition.boot.map { boot in
                Configuration.Boot(
                    kernel: try addBootFile(file(boot.kernel), expecting: bootFiles?.first),
                    initrd: try boot.initrd.map { try addBootFile(file($0), expecting: bootFiles?.last) },
                    arguments: boot.arguments ?? "")
            },
            disks: disks, devices: Configuration.Devices(new: definition), clock: definition.clock, ancestors: [],
            owner: owner, checkpoint: nil)
        try FileSystem.commit(configuration.file(), to: virtualMachines.appending("\(id).xml"))
        for folder in [virtualMachines, unfinished.appending("Snapshots"), unfinished] {
            try FileSystem.synchronize(folder)
        }
    }

    /// Deletes a machine with all its checkpoints; it is gone once its folder has lost its name.
    ///
    /// In a lab with a trash it can come back until it is emptied.
    ///
    /// - Parameter isTrashing: false when it is not to go to the trash.
    /// - Throws: ``EngineError/Code/busy`` while it runs, ``EngineError/Code/wrongState`` while other machines, its forks,
    ///   read through its disks; nothing is changed then.
    public func deleteMachine(_ name: MachineName, toTrash isTrashing: Bool = true) throws(EngineError) {
        let folder = machine(name)
        let labLock = try FolderLock(path, of: "the lab \(path)")
        let lock = try FolderLock(folder.path, of: "machine '\(name)'")
        defer { withExtendedLifetime((labLock, lock)) {} }
        let budget = isTrashing ? try trashBudget() : nil
        try requireNoForks(of: folder, to: "be deleted", keepingDisks: budget != nil)
        try FileSystem.create(trash)
        let suffix = budget == nil ? Self.removedSuffix : Self.deletedSuffix
        let discarded = trash.appending("\(name).\(GUID.random())\(suffix)")
        if budget != nil { try FileSystem.touch(folder.path) }
        FaultPoint.trashCommit.before()
        try FileSystem.move(folder.path, to: discarded)
        FaultPoint.trashCommit.after()
        guard let budget else { return discardNow(discarded) }
        do throws(EngineError) {
            try removeRemakable(discarded)
            _ = try removeTrashedWithLock(olderThan: budget.age, keeping: budget.bytes)
        } catch {
            Logger(label: "fermata.engine").warning("the trash stays as it is: \(error)")
        }
    }

    /// Gives a machine that nobody hosts another name; its disks' files keep theirs.
    ///
    /// ```
    ///  <Name> ──rename──► <New>     the commit; the name in the configuration follows, by the next writer if need be
    /// ```
    /// - Throws: ``EngineError/Code/busy`` while it is in use, ``EngineError/Code/exists`` when the name is taken,
    ///   ``EngineError/Code/wrongState`` when no machine can have it; nothing is changed then.
    public func renameMachine(_ name: MachineName, to new: MachineName) throws(EngineError) {
        let (folder, target) = (machine(name), machine(new))
        let labLock = try FolderLock(path, of: "the lab \(path)")
        let lock = try FolderLock(folder.path, of: "machine '\(name)'")
        defer { withExtendedLifetime((labLock, lock)) {} }
        if let problem = new.problem {
            throw EngineError(.wrongState, "the machine name '\(new)' \(problem)")
        }
        guard !FileSystem.exists(target.path) else {
            throw EngineError(.exists, "\(target.path) exists already; choose another name, or remove it")
        }
        try Recovery(of: folder).run()
        FaultPoint.renameCommit.before()
        try FileSystem.move(folder.path, to: target.path)
        FaultPoint.renameCommit.after()
        // The machine has its name; what follows can wait for the next writer.
        try? Recovery(of: target).followName()
    }
}

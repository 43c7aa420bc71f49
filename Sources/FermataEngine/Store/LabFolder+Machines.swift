// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

public import FermataModel
import Foundation
public import SystemPackage
import VirtualDisk

extension LabFolder {
    /// Makes a machine, off, with empty disks; it exists once its folder has its name.
    ///
    /// - Parameters:
    ///   - definition: its hardware and its disks.
    ///   - file: finds a boot file by its path as written.
    ///   - owner: the recipe that makes it, if one does.
    public func createMachine(
        _ definition: MachineDefinition, file: (String) -> FilePath, owner: RecipeOwnership? = nil
    ) throws(EngineError) -> MachineFolder {
        let lock = try FolderLock(path, of: "the lab \(path)")
        defer { withExtendedLifetime(lock) {} }
        try removeLeftovers()
        let target = machine(definition.name)
        if let problem = definition.name.problem {
            throw EngineError(.wrongState, "the machine name '\(definition.name)' \(problem)")
        }
        guard !FileSystem.exists(target.path) else {
            throw EngineError(.exists, "\(target.path) exists already; choose another name, or remove it")
        }
        let unfinished = path.appending(".\(definition.name).\(GUID.random()).new")
        do {
            try fill(unfinished, definition, file: file, owner: owner, target: target)
            FaultPoint.machineCommit.before()
            try FileSystem.move(unfinished, to: target.path)
            FaultPoint.machineCommit.after()
        } catch {
            try? FileSystem.removeAll(unfinished)
            throw error as? EngineError ?? EngineError(.system, "\(target.path): \(error)", underlying: error)
        }
        return target
    }

    private func fill(
        _ unfinished: FilePath, _ definition: MachineDefinition, file: (String) -> FilePath, owner: RecipeOwnership?,
        target: MachineFolder
    ) throws {
        let id = GUID.random()
        let virtualMachines = unfinished.appending("Virtual Machines")
        for folder in [virtualMachines, virtualMachines.appending("\(id)"), unfinished.appending("Snapshots")] {
            try FileSystem.create(folder)
        }
        var disks: [Configuration.Disk] = []
        for (index, disk) in definition.disks.enumerated() {
            let path = target.baseDisk(disk.name, isFirst: index == 0, fileExtension: "vhd")
            guard let name = path.lastComponent else { continue }
            try VHD.create(
                at: unfinished.appending(name), size: disk.size.bytes, kind: .dynamic, permissions: .ownerReadWrite)
            disks.append(Configuration.Disk(name: disk.name, path: path.string))
        }
        let configuration = Configuration(
            machine: id, name: definition.name.description, created: Int64(Date().timeIntervalSince1970 * 1000),
            notes: nil, memory: definition.memory.bytes, processors: definition.processors,
            boot: try definition.boot.map { boot in
                Configuration.Boot(
                    kernel: try addBootFile(file(boot.kernel)),
                    initrd: try boot.initrd.map { try addBootFile(file($0)) }, arguments: boot.arguments ?? "")
            },
            disks: disks, ancestors: [], owner: owner, checkpoint: nil)
        try FileSystem.commit(configuration.file(), to: virtualMachines.appending("\(id).xml"))
        for folder in [virtualMachines, unfinished.appending("Snapshots"), unfinished] {
            try FileSystem.synchronize(folder)
        }
    }

    /// Deletes a machine with all its checkpoints; it is gone once its folder has lost its name.
    ///
    /// - Throws: ``EngineError/Code/busy`` while it runs.
    public func deleteMachine(_ name: MachineName) throws(EngineError) {
        let folder = machine(name)
        let labLock = try FolderLock(path, of: "the lab \(path)")
        let lock = try FolderLock(folder.path, of: "machine '\(name)'")
        defer { withExtendedLifetime((labLock, lock)) {} }
        let record = try MachineRecord(reading: folder)
        try FileSystem.create(trash)
        let discarded = trash.appending("\(name).\(GUID.random()).deleted")
        try FileSystem.move(folder.path, to: discarded)
        for id in record.checkpoints.keys { try FileSystem.remove(folder.flatImage(id)) }
        try FileSystem.removeAll(discarded)
    }

    /// Removes what an unfinished creation or deletion of a machine left; only with the lab's lock.
    private func removeLeftovers() throws(EngineError) {
        for place in [path, boot] where FileSystem.exists(place) {
            for name in try FileSystem.entries(of: place) where name.hasPrefix(".") && name.hasSuffix(".new") {
                try FileSystem.removeAll(place.appending(name))
            }
        }
        guard FileSystem.exists(trash) else { return }
        for name in try FileSystem.entries(of: trash) where name.hasSuffix(".deleted") {
            try FileSystem.removeAll(trash.appending(name))
        }
    }
}

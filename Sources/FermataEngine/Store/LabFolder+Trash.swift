// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

public import FermataModel
import Foundation
import Glibc
public import SystemPackage

/// A machine that was deleted and can come back.
///
/// ```
///  <Name> ──rename──► .trash/<Name>.<GUID>.deleted ──rename──► <Name>                           it comes back
///                                                  ──rename──► .trash/<Name>.<GUID>.removed     it goes, file by file
/// ```
/// What was discarded of it before stays in `.trash/<VMGUID>/`, and comes back or goes with it.
public struct DeletedMachine: Sendable {
    /// Its folder in the trash.
    public let folder: MachineFolder
    /// Its identity.
    public let id: GUID
    /// When it was deleted, in milliseconds since 1970 UTC.
    public let discarded: Int64
    /// The bytes that its files take.
    public let bytes: UInt64

    /// The name that it had.
    public var name: MachineName { folder.name }
}

extension LabFolder {
    static let deletedSuffix = ".deleted"
    static let removedSuffix = ".removed"

    /// The folders of the machines that were deleted and can come back, in no order.
    func deletedMachines() throws(EngineError) -> [MachineFolder] {
        guard FileSystem.exists(trash) else { return [] }
        return try FileSystem.entries(of: trash).compactMap { entry in
            guard entry.hasSuffix(Self.deletedSuffix) else { return nil }
            let stem = entry.dropLast(Self.deletedSuffix.count)
            guard GUID(stem.suffix(36)) != nil else { return nil }
            let folder = MachineFolder(lab: self, name: MachineName(String(stem.dropLast(37))), discarded: entry)
            return folder.name.problem == nil && FileSystem.exists(folder.virtualMachines) ? folder : nil
        }
    }

    /// The machines that were deleted and can come back, the oldest first; changes nothing.
    public func trashedMachines() throws(EngineError) -> [DeletedMachine] {
        var found: [DeletedMachine] = []
        for folder in try deletedMachines() {
            guard let status = FileSystem.status(of: folder.path), let id = try? folder.identity() else { continue }
            found.append(
                DeletedMachine(
                    folder: folder, id: id,
                    discarded: Int64(status.st_mtim.tv_sec) * 1000 + Int64(status.st_mtim.tv_nsec) / 1_000_000,
                    bytes: FileSystem.allocated(folder.path)))
        }
        return found.sorted { ($0.discarded, $0.id) < ($1.discarded, $1.id) }
    }

    /// The folders in the trash of machines that neither exist nor can come back.
    public func orphanedTrash() throws(EngineError) -> [FilePath] {
        guard FileSystem.exists(trash) else { return [] }
        let folders = try FileSystem.entries(of: trash).filter { GUID($0) != nil }
        guard !folders.isEmpty else { return [] }
        var known: Set<GUID> = []
        // Whose machine that of a damaged one is cannot be told.
        for folder in try machines() + deletedMachines() { known.insert(try folder.identity()) }
        return folders.filter { GUID($0).map(known.contains) != true }.sorted().map { trash.appending($0) }
    }

    /// Removes the folders of machines that neither exist nor can come back.
    ///
    /// - Returns: the bytes that came free.
    public func removeOrphanedTrash() throws(EngineError) -> UInt64 {
        let lock = try FolderLock(path, of: "the lab \(path)")
        defer { withExtendedLifetime(lock) {} }
        // As long as a machine cannot be read, any of them may be its own.
        guard let orphans = try? orphanedTrash() else { return 0 }
        var freed: UInt64 = 0
        for path in orphans {
            freed += FileSystem.allocated(path)
            try FileSystem.removeAll(path)
        }
        return freed
    }

    /// Brings back a machine that was deleted, under the name that it had or another one.
    ///
    /// - Throws: ``EngineError/Code/exists`` when the name is taken, ``EngineError/Code/wrongState`` when no machine can
    ///   have it, or when it is a fork of one that is deleted; nothing is changed then.
    public func restoreMachine(
        _ machine: DeletedMachine, as name: MachineName? = nil
    ) throws(EngineError) -> MachineFolder {
        let lock = try FolderLock(path, of: "the lab \(path)")
        defer { withExtendedLifetime(lock) {} }
        let target = self.machine(name ?? machine.name)
        if let problem = target.name.problem {
            throw EngineError(.wrongState, "the machine name '\(target.name)' \(problem)")
        }
        guard !FileSystem.exists(target.path) else {
            throw EngineError(
                .exists, "\(target.path) exists already; say under which name the deleted machine is to come back")
        }
        guard FileSystem.exists(machine.folder.path) else {
            throw EngineError(.notFound, "machine '\(machine.name)' is not in the trash any more")
        }
        guard try !machines().contains(where: { (try? $0.identity()) == machine.id }) else {
            throw EngineError(.exists, "the lab has a machine with the identity \(machine.id) already")
        }
        for source in try deletedMachines() where source != machine.folder {
            guard try readers(of: source).contains(machine.folder) else { continue }
            throw EngineError(
                .wrongState,
                "machine '\(machine.name)' is a fork of machine '\(source.name)', which is in the trash; restore that first"
            )
        }
        FaultPoint.untrashCommit.before()
        try FileSystem.move(machine.folder.path, to: target.path)
        FaultPoint.untrashCommit.after()
        // The machine exists; what follows can wait for the next writer.
        try? Recovery(of: target).followName()
        return target
    }

    /// Takes deleted machines out of the trash, the oldest first; all of them when there is no limit.
    ///
    /// One through which another one in the trash reads stays as long as that one.
    ///
    /// - Parameters:
    ///   - name: those that had a name; nil for all.
    ///   - age: the most seconds for which one stays; nil for any time.
    ///   - bytes: the most bytes that stay; nil for any number.
    public func removeTrashedMachines(
        named name: MachineName? = nil, olderThan age: Int?, keeping bytes: UInt64?
    ) throws(EngineError) -> TrashOutcome {
        let lock = try FolderLock(path, of: "the lab \(path)")
        defer { withExtendedLifetime(lock) {} }
        return try removeTrashedWithLock(named: name, olderThan: age, keeping: bytes)
    }

    /// Chooses those that ``removeTrashedMachines(named:olderThan:keeping:)`` takes.
    public func excessMachines(
        named name: MachineName? = nil, olderThan age: Int?, keeping bytes: UInt64?
    ) throws(EngineError) -> [DeletedMachine] {
        let machines = try trashedMachines().filter { name == nil || $0.name == name }
        let count = TrashBudget.excess(
            of: machines.map { ($0.discarded, $0.bytes) }, age: age, bytes: bytes,
            now: Int64(Date().timeIntervalSince1970 * 1000))
        return Array(machines.prefix(count))
    }

    func removeTrashedWithLock(
        named name: MachineName? = nil, olderThan age: Int?, keeping bytes: UInt64?
    ) throws(EngineError) -> TrashOutcome {
        var outcome = TrashOutcome(count: 0, bytes: 0)
        for machine in try excessMachines(named: name, olderThan: age, keeping: bytes) {
            guard try readers(of: machine.folder).isEmpty else { continue }
            let gone = trash.appending(
                String(machine.folder.path.lastComponent?.string.dropLast(Self.deletedSuffix.count) ?? "")
                    + Self.removedSuffix)
            let freed = machine.bytes + FileSystem.allocated(trash(of: machine.id))
            try FileSystem.move(machine.folder.path, to: gone)
            FaultPoint.trashRemoved.reach()
            discardNow(gone)
            outcome.count += 1
            outcome.bytes += freed
        }
        return outcome
    }
}

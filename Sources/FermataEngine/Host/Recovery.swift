// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import Logging
import SystemPackage
import VirtualDisk

/// Finishes or undoes what a crash left in a machine's folder; done by whoever takes the machine's lock.
///
/// ```
///   .*.new                                an unfinished file                        removed
///   Snapshots/<CP>.xml, superseded        its successor exists                      removed
///   Snapshots/<CP>/ without <CP>.xml      a checkpoint that never was               removed
///   Snapshots/<CP>.xml of a lab's checkpoint   that does not exist                  removed
///   .<VMGUID>.<ID>.now                    a restore of several machines             finished, or it never was
///   a disk that no configuration needs    a child of an operation that never was    removed
///   .journal/<VMGUID>.deletion            several checkpoints are deleted           finished
///   .trash/<VMGUID>/<CP>.xml, void        a restore that never was, or that which   removed
///                                         came back under another name
///   a disk that no checkpoint owns        one other disk alone grew from it         merged with that
///   a saved machine's memory files        it is not saved, or not in them           removed
///   .NAME.made                            a disk that no configuration has, or has yet     removed if not needed
///   another name than the folder's        the machine was renamed                   followed
///   a disk whose parent has moved         the machine from which it was forked      the disk says where it is now
///                                         was renamed
/// ```
/// Each step leaves the machine as it was for every reader, so a crash in it is met by doing it again.
struct Recovery {
    private let folder: MachineFolder

    init(of folder: MachineFolder) {
        self.folder = folder
    }

    func run() throws(EngineError) {
        try removeUnfinishedFiles()
        try folder.finishRestores(of: folder.identity())
        try waitForLabCheckpoints()
        try followName()
        let record = try MachineRecord(reading: folder)
        try removeUnfinishedImages(record)
        try Deletion.finish(in: folder, of: record.id)
        for file in try MachineTrash(uncounted: record).void { try FileSystem.remove(file) }
        try removeLeftoverCheckpoints(record)
        if case .own = record.now.saved {} else { try folder.removeSavedMemory(of: record.id) }
        finishDisks(of: record.id)
        let references: DiskReferences
        do throws(EngineError) {
            references = try finishingWhatFails { () throws(EngineError) in try DiskReferences(of: folder.lab) }
        } catch {
            // As long as one configuration of the lab cannot be followed, any disk may be one that it needs.
            Logger(label: "fermata.engine").warning("leftover disks stay: \(error)")
            return
        }
        try removeUnneededDisks(record, references)
        try folder.settleMarks(needed: references.needed)
        followParents(references)
        try UnownedDisks(of: folder).merge(references)
    }

    /// Finishes operations on the machine's disks that were cut off, merges for one.
    private func finishDisks(of id: GUID) {
        for place in [folder.path, folder.differencingDisks(of: id)] where FileSystem.exists(place) {
            for name in (try? FileSystem.entries(of: place)) ?? [] {
                // A journal that never was.
                if name.hasSuffix(".new"), DiskRecovery.disk(interruptedAs: String(name.dropLast(4))) != nil {
                    try? FileSystem.remove(place.appending(name))
                }
                guard let disk = DiskRecovery.disk(interruptedAs: name) else { continue }
                do {
                    try DiskRecovery.finish(place.appending(disk), beneath: folder.lab.path)
                } catch {
                    // Who needs the disk is told; all else of the machine works.
                    Logger(label: "fermata.engine").warning("machine '\(folder.name)': \(error)")
                }
            }
        }
    }

    /// Does something with the machine's disks, and when it fails once more, after what was cut off on the disks of other
    /// machines through which they read.
    private func finishingWhatFails<Result>(_ body: () throws(EngineError) -> Result) throws(EngineError) -> Result {
        do throws(EngineError) {
            return try body()
        } catch {
            let record = try MachineRecord(reading: folder)
            var finished: [FilePath] = []
            let trashed = (try? MachineTrash(uncounted: record))?.configurations ?? [:]
            for configuration in [record.now] + record.checkpoints.values + trashed.values {
                for disk in configuration.disks {
                    guard let path = try? DiskFiles.path(of: disk, machine: record.id, in: folder) else { continue }
                    // Who is still at it has the disk claimed.
                    finished += (try? DiskRecovery.finish(path, beneath: folder.lab.path)) ?? []
                }
            }
            guard !finished.isEmpty else { throw error }
            return try body()
        }
    }

    /// Makes the configuration say the name that the folder has.
    func followName() throws(EngineError) {
        var now = try MachineRecord(reading: folder).now
        guard now.name != folder.name.description else { return }
        now.name = folder.name.description
        try FileSystem.commit(now.file(), to: folder.configuration(of: now.machine))
    }

    /// Makes the machine's disks say where their parents are.
    private func followParents(_ references: DiskReferences) {
        for disk in references.stale.sorted(by: { $0.string < $1.string }) where disk.starts(with: folder.path) {
            guard let parent = references.parents[disk] else { continue }
            do {
                _ = try DiskReparenting.setParent(of: disk, to: parent, beneath: folder.lab.path, keepsBackup: false)
            } catch {
                // The parent is found all the same, by its identity.
                Logger(label: "fermata.engine").warning("machine '\(folder.name)': \(error)")
            }
        }
    }

    /// Removes the disks of the machine that no configuration of the lab needs.
    func removeUnneededDisks() throws(EngineError) {
        try removeUnneededDisks(MachineRecord(reading: folder), DiskReferences(of: folder.lab))
    }

    private func removeUnfinishedFiles() throws(EngineError) {
        let places = [folder.virtualMachines, folder.snapshots, folder.lab.trash(of: try folder.identity())]
        for place in places where FileSystem.exists(place) {
            for name in try FileSystem.entries(of: place) where name.hasPrefix(".") && name.hasSuffix(".new") {
                try FileSystem.remove(place.appending(name))
            }
        }
        try FileSystem.remove(Deletion.unfinished(of: folder.identity(), in: folder.lab))
    }

    /// A checkpoint of a lab's that does not exist may be about to: who makes it has the lab's lock until it is decided.
    private func waitForLabCheckpoints() throws(EngineError) {
        for id in try folder.checkpointFiles() {
            guard let set = (try? Configuration(reading: folder.checkpoint(id)))?.checkpoint?.labCheckpoint,
                !FileSystem.exists(folder.lab.labCheckpoint(set))
            else { continue }
            return try FolderLock(folder.lab.path, of: "the lab \(folder.lab.path)").release()
        }
    }

    private func removeUnfinishedImages(_ record: MachineRecord) throws(EngineError) {
        guard FileSystem.exists(folder.lab.cache) else { return }
        let mine = Set((record.checkpoints.keys + [record.id]).map { ".\($0)" })
        for name in try FileSystem.entries(of: folder.lab.cache) where name.hasSuffix(".new") {
            if mine.contains(String(name.prefix(37))) { try FileSystem.remove(folder.lab.cache.appending(name)) }
        }
    }

    private func removeLeftoverCheckpoints(_ record: MachineRecord) throws(EngineError) {
        guard FileSystem.exists(folder.snapshots) else { return }
        // Those that cannot be read are among them: whatever they are, their memory is theirs.
        let trashed = Set(try folder.lab.trashedFiles(of: record.id))
        for name in try FileSystem.entries(of: folder.snapshots) {
            let id = GUID(name.hasSuffix(".xml") ? String(name.dropLast(4)) : name)
            guard let id, id != record.id, record.checkpoints[id] == nil, !trashed.contains(id) else { continue }
            try folder.removeCheckpoint(id)
        }
    }

    private func removeUnneededDisks(_ record: MachineRecord, _ references: DiskReferences) throws(EngineError) {
        let place = folder.differencingDisks(of: record.id)
        guard FileSystem.exists(place) else { return }
        // Paths that do not even name now's own disks say nothing about any other.
        for disk in record.now.disks {
            guard references.needed.contains(try DiskFiles.path(of: disk, machine: record.id, in: folder)) else {
                return
            }
        }
        for name in try FileSystem.entries(of: place)
        where name.hasSuffix(".avhd") || name.hasSuffix(".avhdx") {
            guard !references.needed.contains(place.appending(name)) else { continue }
            try FileSystem.remove(place.appending(name))
            FaultPoint.oldDiskRemoved.reach()
        }
        for name in try FileSystem.entries(of: place) {
            // A copy that was never complete.
            guard let disk = DiskDraft.disk(unfinishedAs: name), !FileSystem.exists(place.appending(disk)) else {
                continue
            }
            try FileSystem.remove(place.appending(name))
        }
    }
}

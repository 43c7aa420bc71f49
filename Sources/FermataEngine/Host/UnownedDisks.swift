// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import Glibc
import Logging
import SystemPackage
import VirtualDisk

/// The disks of a machine without power that no checkpoint owns any more, and through which one other disk alone reads.
///
/// ```
///             the other's checkpoint, or now
///                          │
///   base ◄─ unowned ◄─ the other ◄─ its children
///
///   now, if less is in it, nothing is above,     ──►  base ◄─ now               now in the unowned disk's file
///   or held memory knows the unowned disk
///   else                                         ──►  base ◄─ the other ◄─ …    the other keeps its file
/// ```
/// A merge changes nothing that any configuration reads. One that is cut off is finished, or begun anew, by the next.
/// A disk through which another machine reads, a fork, stays as it is: that machine may be running.
struct UnownedDisks {
    private let folder: MachineFolder

    init(of folder: MachineFolder) {
        self.folder = folder
    }

    /// A disk that no configuration names, and the only one that grew from it.
    struct Pair: Hashable, Sendable {
        var disk: FilePath
        var child: FilePath
        /// Which of the machine's disks the child is, if it takes the writes.
        var now: Int?
    }

    /// A pair that can be merged while the machine runs; nil when there is none.
    ///
    /// - Parameters:
    ///   - left: the pairs that are not to be merged.
    ///   - known: what the lab's disks are needed for, by who has found that out just now.
    func next(except left: Set<Pair>, _ known: DiskReferences? = nil) throws(EngineError) -> Pair? {
        let record = try MachineRecord(reading: folder)
        let references: DiskReferences
        if let known { references = known } else { references = try DiskReferences(of: folder.lab) }
        for (disk, child) in references.unowned where isMine(disk, child, references) {
            let now = try index(of: child, record).flatMap { references.isLeafOfOne(child) ? $0 : nil }
            let pair = Pair(disk: disk, child: child, now: now)
            if !left.contains(pair), isFree(now == nil ? disk : child, record) { return pair }
        }
        return nil
    }

    /// Merges them all; what cannot be merged, such as for want of space, stays as it is.
    ///
    /// - Parameter known: what the lab's disks are needed for, by who has found that out just now.
    func merge(_ known: DiskReferences? = nil) throws(EngineError) {
        var left: Set<FilePath> = []
        var known = known
        while true {
            let record = try MachineRecord(reading: folder)
            let references: DiskReferences
            if let known { references = known } else { references = try DiskReferences(of: folder.lab) }
            known = nil
            let pair = references.unowned.first { disk, child in
                !left.contains(disk) && isMine(disk, child, references)
            }
            guard let (disk, child) = pair else { return }
            do {
                if try !merge(disk, child, record, references) { left.insert(disk) }
            } catch {
                Logger(label: "fermata.engine").warning("machine '\(folder.name)': \(disk) is not merged: \(error)")
                left.insert(disk)
            }
        }
    }

    /// - Returns: false when held memory needs the file that would go.
    private func merge(
        _ disk: FilePath, _ child: FilePath, _ record: MachineRecord, _ references: DiskReferences
    ) throws -> Bool {
        let index = references.isLeafOfOne(child) ? try index(of: child, record) : nil
        // The base keeps its name, and so does a disk that held memory knows; nothing is written that need not be.
        let isBetterFolded =
            references.parents[disk] == nil || allocated(child) <= allocated(disk) || !isFree(disk, record)
        let folded = isBetterFolded ? index : nil
        guard isFree(folded == nil ? disk : child, record) else { return false }
        guard let folded else {
            let merge = try ChildMerge(of: disk, into: child, beneath: folder.lab.path)
            try merge.copy()
            _ = try merge.commit()
            return true
        }
        try DiskChain.fold(child, into: disk, beneath: folder.lab.path)
        var now = record.now
        now.disks[folded].path = disk.string
        try FileSystem.commit(now.file(), to: folder.configuration(of: now.machine), fault: .configurationCommit)
        try FileSystem.remove(child)
        return true
    }

    /// Whether two disks are the machine's, and no other machine reads through them.
    private func isMine(_ disk: FilePath, _ child: FilePath, _ references: DiskReferences) -> Bool {
        [disk, child].allSatisfy { $0.starts(with: folder.path) }
            && references.readers(of: disk, besides: folder).isEmpty
    }

    /// Which of now's disks a file is.
    private func index(of file: FilePath, _ record: MachineRecord) throws(EngineError) -> Int? {
        for (index, disk) in record.now.disks.enumerated()
        where try DiskFiles.path(of: disk, machine: record.id, in: folder) == file { return index }
        return nil
    }

    /// Whether no held memory knows a file.
    private func isFree(_ file: FilePath, _ record: MachineRecord) -> Bool {
        file.lastComponent.map { !held(by: record).contains($0.string) } ?? true
    }

    /// The names of the files by which held memory knows its disks, where configurations may name later ones.
    private func held(by record: MachineRecord) -> Set<String> {
        var sources: [MemorySource] = []
        if let saved = record.now.saved, let source = try? record.memory(of: saved) { sources.append(source) }
        let trashed = (try? MachineTrash(uncounted: record))?.configurations ?? [:]
        for (id, configuration) in record.checkpoints.merging(trashed, uniquingKeysWith: { live, _ in live })
        where configuration.checkpoint?.moment != nil {
            sources.append(record.memory(of: id, configuration))
        }
        var names: Set<String> = []
        for source in sources {
            // Memory that is damaged cannot be used, whatever its disks are called.
            guard let state = try? SavedState(reading: source.files.devices) else { continue }
            names.formUnion(state.description.disks.compactMap { $0.split(separator: "=").last.map(String.init) })
        }
        return names
    }

    private func allocated(_ file: FilePath) -> Int {
        FileSystem.status(of: file).map { Int($0.st_blocks) * 512 } ?? 0
    }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import FermataModel
import SystemPackage
import VirtualDisk

/// Which disks of a lab its configurations need, and which disk grew from which.
///
/// A machine's disks may be read by other machines, its forks, whose hosts go on meanwhile. What was found is therefore
/// true of one moment: the configurations of all machines were the same before and after their disks were followed.
///
/// What is in the trash needs its disks as what exists does.
struct DiskReferences {
    /// How often a lab that changes meanwhile is looked at anew.
    private static let attempts = 10

    /// Every disk that a configuration reads, ancestors included.
    private(set) var needed: Set<FilePath> = []
    /// The disks that configurations name, with how many name them.
    private(set) var named: [FilePath: Int] = [:]
    /// The parent of each needed disk that has one.
    private(set) var parents: [FilePath: FilePath] = [:]
    /// The needed disks that do not say where their parents are now.
    private(set) var stale: Set<FilePath> = []
    /// The machines that read each needed disk.
    private var readers: [FilePath: Set<MachineFolder>] = [:]

    init(of lab: LabFolder) throws(EngineError) {
        var records = try Self.records(of: lab)
        for _ in 0..<Self.attempts {
            let found: Result<DiskReferences, EngineError>
            do throws(EngineError) { found = .success(try DiskReferences(records)) } catch { found = .failure(error) }
            // Nobody but who asks changes what a lab's only machine is.
            if records.count == 1 {
                self = try found.get()
                return
            }
            let again = try Self.records(of: lab)
            if zip(records, again).allSatisfy(Self.isSame), records.count == again.count {
                self = try found.get()
                return
            }
            records = again
        }
        throw EngineError(.busy, "the machines of the lab \(lab.path) are being changed all the time; try again")
    }

    private init(_ records: [Reader]) throws(EngineError) {
        for reader in records {
            let record = reader.record
            for configuration in [record.now] + record.checkpoints.values + reader.trashed.values {
                for disk in configuration.disks {
                    let path = try DiskFiles.path(of: disk, machine: configuration.machine, in: record.folder)
                    let chain = try needed.contains(path) ? known(from: path) : follow(path, in: record.folder)
                    add(chain, of: record.folder)
                }
            }
        }
    }

    /// A machine with what is in its trash.
    private struct Reader {
        let record: MachineRecord
        let trashed: [GUID: Configuration]

        init(_ folder: MachineFolder) throws(EngineError) {
            record = try MachineRecord(reading: folder)
            let trash = try MachineTrash(uncounted: record)
            if let file = trash.unreadable.first {
                throw EngineError(
                    .damaged,
                    "\(file) cannot be read, so any disk may be one that it needs; 'fermata gc \(folder.name)' removes it"
                )
            }
            trashed = trash.configurations
        }
    }

    /// What chains that were read tell.
    ///
    /// - Parameter chains: of each disk of each configuration, from its leaf to its base.
    init(chains: [(machine: MachineFolder, files: [FilePath])]) {
        for chain in chains { add(chain.files, of: chain.machine) }
    }

    private static func records(of lab: LabFolder) throws(EngineError) -> [Reader] {
        var failures = 0
        while true {
            do throws(EngineError) {
                var records: [Reader] = []
                for folder in try lab.machines() + lab.deletedMachines() { records.append(try Reader(folder)) }
                return records
            } catch {
                // A file may have gone since its name was read.
                failures += 1
                if failures > 2 { throw error }
            }
        }
    }

    private static func isSame(_ one: Reader, _ other: Reader) -> Bool {
        one.record.folder == other.record.folder && one.record.now == other.record.now
            && one.record.checkpoints == other.record.checkpoints && one.trashed == other.trashed
    }

    /// A disk with its ancestors.
    private mutating func follow(_ leaf: FilePath, in folder: MachineFolder) throws(EngineError) -> [FilePath] {
        let chain = try DiskFiles.open(leaf, in: folder, .readOnly)
        for warning in chain.warnings where warning.kind == .parentMoved { stale.insert(FilePath(warning.path)) }
        return chain.layers.map(\.path)
    }

    /// The same of a disk that was met before.
    private func known(from disk: FilePath) -> [FilePath] {
        var chain = [disk]
        while let last = chain.last, let parent = parents[last] { chain.append(parent) }
        return chain
    }

    private mutating func add(_ chain: [FilePath], of machine: MachineFolder) {
        if let leaf = chain.first { named[leaf, default: 0] += 1 }
        needed.formUnion(chain)
        for disk in chain { readers[disk, default: []].insert(machine) }
        for (child, parent) in zip(chain, chain.dropFirst()) { parents[child] = parent }
    }

    /// The disks that no configuration names and from which one other disk alone grew, with that one, in a fixed order.
    var unowned: [(disk: FilePath, child: FilePath)] {
        Dictionary(grouping: parents.keys) { parents[$0] ?? $0 }
            .compactMap { disk, children in
                guard let child = children.first, children.count == 1, named[disk] == nil else { return nil }
                return (disk, child)
            }
            .sorted { $0.disk.string < $1.disk.string }
    }

    /// Whether a disk is named by one configuration, and nothing grew from it.
    func isLeafOfOne(_ disk: FilePath) -> Bool {
        named[disk] == 1 && !parents.values.contains(disk)
    }

    /// The machines besides one that read a disk; deleted ones are among them.
    func readers(of disk: FilePath, besides machine: MachineFolder) -> Set<MachineFolder> {
        (readers[disk] ?? []).subtracting([machine])
    }

    /// The machines besides one that read through its disks; deleted ones are among them.
    func readers(of folder: MachineFolder) -> Set<MachineFolder> {
        var found: Set<MachineFolder> = []
        for (disk, machines) in readers where disk.starts(with: folder.path) { found.formUnion(machines) }
        return found.subtracting([folder])
    }

    /// The disks of a machine whose parents are another machine's, with these, in a fixed order.
    func foreignParents(in folder: MachineFolder) -> [(disk: FilePath, parent: FilePath)] {
        parents.filter { $0.key.starts(with: folder.path) && !$0.value.starts(with: folder.path) }
            .map { ($0.key, $0.value) }
            .sorted { $0.disk.string < $1.disk.string }
    }
}

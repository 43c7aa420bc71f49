// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

public import FermataModel
import Glibc
public import SystemPackage
import VirtualDisk

/// What was discarded of a machine and can come back: checkpoints, and nows as disk-only ones.
///
/// ```
///   Snapshots/<CPGUID>.xml ──rename──► .trash/<VMGUID>/<CPGUID>.xml      a checkpoint is deleted
///                          ◄─rename──                                    it comes back
///   Snapshots/<VMGUID>/<GUID>.avhd, Snapshots/<CPGUID>/                  stay where they are as long as it is there
/// ```
/// Whoever works out which disks and memories of the lab are needed counts these configurations; for all else they do not
/// exist. The file's time is when it was discarded.
///
/// The now that a restore discards is entered before the restore. As long as the machine's own configuration names the
/// same disks, the restore has not happened, and the entry is void.
public struct MachineTrash: Sendable {
    /// Something that can come back.
    public struct Entry: Sendable {
        /// The checkpoint's identity, or the one that the now got as it was discarded.
        public var id: GUID
        /// The configuration of that moment.
        public var configuration: Configuration
        /// When it was discarded, in milliseconds since 1970 UTC.
        public var discarded: Int64
        /// The bytes that the files take that nothing but the trash needs any more.
        public var bytes: UInt64

        /// Its name.
        public var name: CheckpointName { CheckpointName(configuration.name) }
    }

    /// What can come back, the oldest first.
    public private(set) var entries: [Entry] = []
    /// The files that cannot be read.
    public private(set) var unreadable: [FilePath] = []
    /// The files that stand for nothing: of a restore that never was, or of what has come back.
    private(set) var void: [FilePath] = []

    /// The configurations of what can come back.
    var configurations: [GUID: Configuration] {
        Dictionary(entries.map { ($0.id, $0.configuration) }) { first, _ in first }
    }

    /// Reads what is in the trash of a machine; changes nothing.
    public init(of record: MachineRecord) throws(EngineError) {
        try self.init(uncounted: record)
        count(in: record)
    }

    /// The same without the bytes, for which all the machine's disks are looked at.
    init(uncounted record: MachineRecord) throws(EngineError) {
        let lab = record.folder.lab
        let place = lab.trash(of: record.id)
        var files: [GUID: FilePath] = [:]
        let moving = (try? Deletion(pendingOf: record.id, in: lab))?.trashed ?? []
        for id in moving where FileSystem.exists(record.folder.checkpoint(id)) {
            files[id] = record.folder.checkpoint(id)
        }
        for id in try lab.trashedFiles(of: record.id) { files[id] = files[id] ?? place.appending("\(id).xml") }
        let own = Set(record.now.disks.compactMap(\.fileName))
        for (id, file) in files {
            guard record.checkpoints[id] == nil else {
                void.append(file)
                continue
            }
            guard let status = FileSystem.status(of: file) else { continue }
            guard let configuration = try? Configuration(reading: file), configuration.checkpoint != nil,
                configuration.machine == record.id
            else {
                // It may have come back, or gone, since its name was read.
                if FileSystem.exists(file) { unreadable.append(file) }
                continue
            }
            guard own.isDisjoint(with: configuration.disks.compactMap(\.fileName)) else {
                void.append(file)
                continue
            }
            let time = Int64(status.st_mtim.tv_sec) * 1000 + Int64(status.st_mtim.tv_nsec) / 1_000_000
            entries.append(Entry(id: id, configuration: configuration, discarded: time, bytes: 0))
        }
        entries.sort { ($0.discarded, $0.id) < ($1.discarded, $1.id) }
        unreadable.sort { $0.string < $1.string }
    }

    /// Works out the bytes: what now and a checkpoint read, too, or what has a second name, is not the trash's.
    private mutating func count(in record: MachineRecord) {
        guard !entries.isEmpty else { return }
        var live: Set<FilePath> = []
        for configuration in [record.now] + record.checkpoints.values {
            for layers in (try? DiskFiles.layers(of: configuration, in: record.folder)) ?? [] {
                live.formUnion(layers.map(\.path))
            }
        }
        for index in entries.indices {
            let configuration = entries[index].configuration
            let memory = record.folder.memory(ofCheckpoint: entries[index].id)
            let disks = configuration.disks.compactMap { disk in
                try? DiskFiles.path(of: disk, machine: record.id, in: record.folder)
            }
            entries[index].bytes = (disks.filter { !live.contains($0) } + [memory.image, memory.devices])
                .compactMap(FileSystem.status)
                .reduce(0) { $0 + ($1.st_nlink > 1 ? 0 : UInt64(clamping: $1.st_blocks) * 512) }
        }
    }

    /// What a name or an identity stands for.
    ///
    /// - Throws: ``EngineError/Code/notFound`` with what was probably meant, or with what the text could stand for.
    public func entry(_ text: String, of machine: MachineName) throws(EngineError) -> Entry {
        let id = GUID(text)
        let found = entries.filter { $0.name.description == text || $0.id == id }
        if let only = found.first, found.count == 1 { return only }
        if found.isEmpty {
            let near = Spelling.nearest(to: text, among: entries.map(\.name.description))
            throw EngineError(
                .notFound,
                "there is no '\(text)' of machine '\(machine)' in the trash"
                    + (near.map { "; did you mean '\($0)'?" } ?? ""))
        }
        throw EngineError(
            .notFound,
            "'\(text)' could be " + found.map { "'\($0.name)' (\($0.id))" }.joined(separator: " or ") + "; say its id")
    }

    /// Chooses what goes, the oldest first; everything when there is no limit at all.
    ///
    /// - Parameters:
    ///   - age: the most seconds for which something stays; nil for any time.
    ///   - bytes: the most bytes that stay; nil for any number.
    ///   - now: in milliseconds since 1970 UTC.
    public func excess(age: Int?, bytes: UInt64?, now: Int64) -> [Entry] {
        let count = TrashBudget.excess(of: entries.map { ($0.discarded, $0.bytes) }, age: age, bytes: bytes, now: now)
        return Array(entries.prefix(count))
    }
}

extension LabFolder {
    /// The folder of what was discarded of a machine.
    func trash(of machine: GUID) -> FilePath { trash.appending("\(machine)") }

    /// The configuration of something that was discarded.
    func trashed(_ checkpoint: GUID, of machine: GUID) -> FilePath {
        trash(of: machine).appending("\(checkpoint).xml")
    }

    /// The identities of all files in the trash of a machine, in no order.
    func trashedFiles(of machine: GUID) throws(EngineError) -> [GUID] {
        let place = trash(of: machine)
        guard FileSystem.exists(place) else { return [] }
        return try FileSystem.entries(of: place).filter { $0.hasSuffix(".xml") }.compactMap { GUID($0.dropLast(4)) }
    }
}

extension MachineFolder {
    /// Lets a checkpoint be one in the trash.
    func moveToTrash(_ id: GUID, of machine: GUID) throws(EngineError) {
        try FileSystem.create(lab.trash(of: machine))
        try FileSystem.touch(checkpoint(id))
        FaultPoint.trashCommit.before()
        try FileSystem.move(checkpoint(id), to: lab.trashed(id, of: machine))
        FaultPoint.trashCommit.after()
    }
}

extension Configuration.Disk {
    /// The last component of the path, whoever wrote it.
    var fileName: String? { path.split { $0 == "/" || $0 == "\\" }.last.map(String.init) }
}

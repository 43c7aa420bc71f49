// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import SystemPackage

/// Several checkpoints of a machine that stop existing at one moment.
///
/// ```
///  .journal/<VMGUID>.deletion     appears: the commit; readers see none of the checkpoints any more
///  Snapshots/<CP>.xml, …          go one after the other, by the next writer if need be
///  .journal/<VMGUID>.deletion     goes: nothing is left to finish
/// ```
/// The file has a first line that says what it is, and then the checkpoints' ids, a line each. One that ends in `trash` is of
/// a checkpoint that goes to the trash.
struct Deletion {
    private static let head = "fermata-deletion 1"
    /// More than the ids of any tree that fits in memory.
    private static let sizeLimit = 16 << 20

    let checkpoints: Set<GUID>
    /// Those of them that go to the trash.
    let trashed: Set<GUID>

    init(of checkpoints: Set<GUID>, toTrash isTrashing: Bool = false) {
        self.checkpoints = checkpoints
        trashed = isTrashing ? checkpoints : []
    }

    /// The deletion of a machine's checkpoints that is to be finished; nil when there is none.
    init?(pendingOf machine: GUID, in lab: LabFolder) throws(EngineError) {
        let file = lab.deletion(of: machine)
        guard FileSystem.exists(file) else { return nil }
        let text = String(decoding: try FileSystem.read(file, limit: Deletion.sizeLimit), as: UTF8.self)
        let lines = text.split(separator: "\n")
        let words = lines.dropFirst().map { $0.split(separator: " ", maxSplits: 1) }
        let ids = words.map { $0.count == 1 || $0[1] == "trash" ? $0.first.flatMap { GUID($0) } : nil }
        guard lines.first.map(String.init) == Deletion.head, !ids.isEmpty, !ids.contains(nil) else {
            throw EngineError(
                .damaged, "\(file): expected '\(Deletion.head)' and the ids of checkpoints, found other text")
        }
        checkpoints = Set(ids.compactMap(\.self))
        trashed = Set(words.filter { $0.count > 1 }.compactMap { $0.first.flatMap { GUID($0) } })
    }

    /// The entry that is not in place yet.
    static func unfinished(of machine: GUID, in lab: LabFolder) -> FilePath {
        lab.journal.appending(".\(machine).deletion.new")
    }

    /// Lets the checkpoints stop existing.
    func commit(of machine: GUID, in lab: LabFolder) throws(EngineError) {
        try FileSystem.create(lab.journal)
        // An earlier one that could not be finished must not come undone.
        let earlier = try Deletion(pendingOf: machine, in: lab)
        let trashed = trashed.union(earlier?.trashed ?? [])
        let lines =
            [Deletion.head]
            + checkpoints.union(earlier?.checkpoints ?? []).sorted().map {
                trashed.contains($0) ? "\($0) trash" : "\($0)"
            }
        try FileSystem.commit(
            Array((lines.joined(separator: "\n") + "\n").utf8), to: lab.deletion(of: machine))
    }

    /// Removes the files of the checkpoints that a machine's entry names, or moves them to the trash, and then removes the
    /// entry.
    static func finish(in folder: MachineFolder, of machine: GUID) throws(EngineError) {
        guard let deletion = try Deletion(pendingOf: machine, in: folder.lab) else { return }
        for id in deletion.checkpoints.sorted() {
            if !deletion.trashed.contains(id) {
                try FileSystem.remove(folder.checkpoint(id))
            } else if FileSystem.exists(folder.checkpoint(id)) {
                try folder.moveToTrash(id, of: machine)
            }
            FaultPoint.checkpointRemoved.reach()
        }
        if FileSystem.exists(folder.snapshots) { try FileSystem.synchronize(folder.snapshots) }
        try FileSystem.remove(folder.lab.deletion(of: machine))
        try FileSystem.synchronize(folder.lab.journal)
    }
}

extension LabFolder {
    /// The entry of a deletion of several checkpoints of a machine.
    func deletion(of machine: GUID) -> FilePath { journal.appending("\(machine).deletion") }
}

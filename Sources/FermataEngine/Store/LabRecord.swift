// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import SystemPackage

/// A lab as its files tell it: its machines, and the checkpoints of several of them.
public struct LabRecord: Sendable {
    /// The machines, in the order of their names.
    public let machines: [MachineRecord]
    /// The checkpoints of several machines, oldest first; one of which no machine has its own any more does not exist.
    public let checkpoints: [LabCheckpoint]
    private let folder: LabFolder

    /// Reads a lab's files; changes nothing.
    public init(reading lab: LabFolder) throws(EngineError) {
        var machines: [MachineRecord] = []
        for folder in try lab.machines() { machines.append(try MachineRecord(reading: folder)) }
        var checkpoints: [LabCheckpoint] = []
        for id in try lab.labCheckpointFiles() {
            let file = lab.labCheckpoint(id)
            let checkpoint = try LabCheckpoint(reading: file)
            guard checkpoint.id == id else {
                throw EngineError(
                    .damaged,
                    "\(file): properties/global_id: expected \(id) as in the file's name, found \(checkpoint.id)")
            }
            checkpoints.append(checkpoint)
        }
        folder = lab
        self.machines = machines
        self.checkpoints =
            checkpoints
            .filter { checkpoint in
                checkpoint.members.contains { Self.machine(of: $0, in: machines, checkpoint.id) != nil }
            }
            .sorted { ($0.created, $0.id) < ($1.created, $1.id) }
    }

    /// The machine of a member, as long as it has the member's checkpoint.
    public func machine(of member: LabCheckpoint.Member, in checkpoint: LabCheckpoint) -> MachineRecord? {
        Self.machine(of: member, in: machines, checkpoint.id)
    }

    private static func machine(
        of member: LabCheckpoint.Member, in machines: [MachineRecord], _ lab: GUID
    ) -> MachineRecord? {
        machines.first {
            $0.id == member.machine && $0.checkpoints[member.checkpoint]?.checkpoint?.labCheckpoint == lab
        }
    }

    /// The members of a checkpoint that are no more: the machine was deleted, or its checkpoint was.
    public func missing(of checkpoint: LabCheckpoint) -> [LabCheckpoint.Member] {
        checkpoint.members.filter { machine(of: $0, in: checkpoint) == nil }
    }

    /// The newest checkpoint that is whole, and from which all its machines' nows grew; nil when there is none.
    public var parent: LabCheckpoint? {
        checkpoints.last { checkpoint in
            checkpoint.members.allSatisfy { member in
                machine(of: member, in: checkpoint)?.now.ancestors.contains(member.checkpoint) == true
            }
        }
    }

    /// The checkpoint that a name or an identity stands for.
    ///
    /// - Throws: ``EngineError/Code/notFound`` with what was probably meant, or with what the text could stand for.
    public func checkpoint(_ text: String) throws(EngineError) -> LabCheckpoint {
        let id = GUID(text)
        let found = checkpoints.filter { $0.name.description == text || $0.id == id }
        if let only = found.first, found.count == 1 { return only }
        if found.isEmpty {
            let near = Spelling.nearest(to: text, among: checkpoints.map(\.name.description))
            throw EngineError(
                .notFound,
                "no checkpoint '\(text)' of the lab \(folder.path)" + (near.map { "; did you mean '\($0)'?" } ?? ""))
        }
        throw EngineError(
            .notFound,
            "'\(text)' could be " + found.map { "'\($0.name)' (\($0.id))" }.joined(separator: " or ") + "; say its id")
    }
}

extension LabFolder {
    /// The identities of all files of checkpoints of several machines, in no order.
    func labCheckpointFiles() throws(EngineError) -> [GUID] {
        guard FileSystem.exists(labCheckpoints) else { return [] }
        return try FileSystem.entries(of: labCheckpoints).filter { $0.hasSuffix(".xml") }
            .compactMap { GUID($0.dropLast(4)) }
    }

    /// Removes the files of those of which no machine has its own any more; for who has the lab's lock.
    func removeEmptyLabCheckpoints() throws(EngineError) {
        let files = try labCheckpointFiles()
        guard !files.isEmpty else { return }
        let machines = try machines()
        for id in files {
            // One that cannot be read is for its owner to look at.
            guard let checkpoint = try? LabCheckpoint(reading: labCheckpoint(id)) else { continue }
            let isNeeded = checkpoint.members.contains { member in
                machines.contains { FileSystem.exists($0.checkpoint(member.checkpoint)) }
            }
            if !isNeeded { try FileSystem.remove(labCheckpoint(id)) }
        }
    }
}

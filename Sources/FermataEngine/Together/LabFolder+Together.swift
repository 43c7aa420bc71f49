// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

public import FermataModel
import Foundation

/// What becomes of several machines of a lab at one moment.
///
/// ```
///  checkpoint   each machine's files durable ─► Lab Checkpoints/<ID>.xml appears ─► each knows its checkpoint
///  apply        each machine's memory loaded ─► .journal/<ID>.restore appears    ─► each goes on
///  delete       each machine is asked        ─► Lab Checkpoints/<ID>.xml goes    ─► each removes what is left
///  rename       each machine is asked        ─► Lab Checkpoints/<ID>.xml is another ─► each has the name
/// ```
/// Who does it has the lab's lock from before the first machine is asked until all have done their parts.
extension LabFolder {
    /// Holds one moment of several machines: all are paused, all are captured, all go on, or none has the checkpoint.
    ///
    /// - Returns: the checkpoint, and how long each machine stood, in the order of its members.
    public func checkpoint(
        _ request: CheckpointRequest, of members: [any LabMember]
    ) async throws -> (checkpoint: LabCheckpoint, outcomes: [JointOutcome]) {
        let lock = try lockForTogether()
        defer { withExtendedLifetime(lock) {} }
        guard !members.isEmpty else {
            throw EngineError(.wrongState, "the lab \(path) has no machine; make one first")
        }
        if let problem = request.name.problem {
            throw EngineError(.wrongState, "the checkpoint name '\(request.name)' \(problem)")
        }
        let record = try LabRecord(reading: self)
        guard request.replaces || !record.checkpoints.contains(where: { $0.name == request.name }) else {
            throw EngineError(
                .exists,
                "the lab \(path) has a checkpoint '\(request.name)' already; choose another name, or say that it is "
                    + "to be replaced")
        }
        let id = GUID.random()
        var request = request
        request.labCheckpoint = id
        var checkpoint = LabCheckpoint(
            id: id, name: request.name, created: 0, notes: request.notes.flatMap { $0.isEmpty ? nil : $0 },
            owner: request.owner, members: [])
        for member in members.sorted(by: { $0.folder.name < $1.folder.name }) {
            checkpoint.members.append(
                .init(machine: try member.folder.identity(), name: member.folder.name, checkpoint: .random()))
        }
        checkpoint.created = Int64(Date().timeIntervalSince1970 * 1000)
        let whole = checkpoint
        let outcomes = try await gathering(of: whole, with: members) { .checkpoint(request, as: $0.checkpoint) }
            .run {
                try FileSystem.create(labCheckpoints)
                try FileSystem.commit(whole.file(), to: labCheckpoint(id), fault: .labCheckpointCommit)
            }
        try? removeEmptyLabCheckpoints()
        return (whole, outcomes)
    }

    /// Makes the now of all machines of a checkpoint equal to it, at one moment; other machines stay as they are.
    ///
    /// - Parameter isTrashing: false when what the machines were is not to go to the trash.
    /// - Throws: ``EngineError/Code/wrongState`` when a machine has lost its part of it; nothing is changed then.
    public func apply(
        _ checkpoint: LabCheckpoint, ending: RestoreEnding = .asCheckpoint, to members: [any LabMember],
        toTrash isTrashing: Bool = true
    ) async throws -> [JointOutcome] {
        let lock = try lockForTogether()
        defer { withExtendedLifetime(lock) {} }
        let missing = try LabRecord(reading: self).missing(of: checkpoint)
        guard missing.isEmpty else {
            let names = missing.map { "'\($0.name)'" }.joined(separator: ", ")
            throw EngineError(
                .wrongState,
                "checkpoint '\(checkpoint.name)' of the lab is no longer whole: machine\(missing.count == 1 ? "" : "s") "
                    + "\(names) lost \(missing.count == 1 ? "its" : "their") part of it; apply the others one by one")
        }
        let id = GUID.random()
        let outcomes = try await gathering(of: checkpoint, with: members) {
            .restore($0.checkpoint, ending, by: id, toTrash: isTrashing)
        }

        .run { try LabRestore.commit(id, of: checkpoint.members.map(\.machine), in: self) }
        try? LabRestore.removeFinished(in: self)
        return outcomes
    }

    /// Forgets a checkpoint of several machines with each machine's own.
    public func delete(_ checkpoint: LabCheckpoint, of members: [any LabMember]) async throws {
        let lock = try lockForTogether()
        defer { withExtendedLifetime(lock) {} }
        _ = try await gathering(of: try left(of: checkpoint), with: members) {
            .delete($0.checkpoint, of: checkpoint.id)
        }
        .run {
            try FileSystem.remove(labCheckpoint(checkpoint.id))
            FaultPoint.labCheckpointRemoved.reach()
            try FileSystem.synchronize(labCheckpoints)
        }
    }

    /// Gives a checkpoint of several machines another name, and each machine's own that has the same one.
    public func rename(
        _ checkpoint: LabCheckpoint, to name: CheckpointName, of members: [any LabMember]
    ) async throws {
        let lock = try lockForTogether()
        defer { withExtendedLifetime(lock) {} }
        let record = try LabRecord(reading: self)
        guard !record.checkpoints.contains(where: { $0.name == name && $0.id != checkpoint.id }) else {
            throw EngineError(.exists, "the lab \(path) has a checkpoint '\(name)' already; choose another name")
        }
        var renamed = checkpoint
        renamed.name = name
        let file = try renamed.file()
        var followers = try left(of: checkpoint, in: record)
        followers.members.removeAll { member in
            record.machine(of: member, in: checkpoint)?.checkpoints[member.checkpoint]?.checkpoint?.hasOwnName == true
        }
        _ = try await gathering(of: followers, with: members) {
            .rename($0.checkpoint, to: name, of: checkpoint.id)
        }
        .run { try FileSystem.commit(file, to: labCheckpoint(checkpoint.id), fault: .labCheckpointCommit) }
    }

    private func lockForTogether() throws(EngineError) -> FolderLock {
        let lock = try FolderLock(path, of: "the lab \(path)")
        try LabRestore.removeFinished(in: self)
        return lock
    }

    /// A checkpoint without the machines that have lost their parts of it.
    private func left(of checkpoint: LabCheckpoint, in record: LabRecord? = nil) throws(EngineError) -> LabCheckpoint {
        let known: LabRecord
        if let record { known = record } else { known = try LabRecord(reading: self) }
        var left = checkpoint
        left.members.removeAll { known.machine(of: $0, in: checkpoint) == nil }
        return left
    }

    private func gathering(
        of checkpoint: LabCheckpoint, with members: [any LabMember],
        _ operation: (LabCheckpoint.Member) -> JointOperation
    ) throws(EngineError) -> Gathering {
        var identities: [GUID: any LabMember] = [:]
        for member in members { identities[try member.folder.identity()] = member }
        var parts: [(any LabMember, JointOperation)] = []
        for member in checkpoint.members {
            guard let machine = identities[member.machine] else {
                throw EngineError(
                    .stale, "machine '\(member.name)' was not there when the others were looked for; try again")
            }
            parts.append((machine, operation(member)))
        }
        return try Gathering(parts)
    }
}

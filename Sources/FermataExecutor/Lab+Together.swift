// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

public import FermataEngine
public import FermataModel

/// What a checkpoint of several machines became.
public struct LabCheckpointOutcome: Hashable, Sendable {
    /// The checkpoint.
    public var checkpoint: LabCheckpoint
    /// The longest time that a guest stood still, in microseconds; 0 when none ran.
    public var pauseMicroseconds: Int64
    /// How long it took until a crash could not undo it, in milliseconds.
    public var durableMilliseconds: Int64
}

extension Lab {
    /// Holds one moment of all machines of the lab: all are paused, all are captured, all go on, or none has it.
    @discardableResult
    public func checkpoint(_ request: CheckpointRequest) async throws -> LabCheckpointOutcome {
        let lab = try LabFolder.open(folder.path)
        let began = ContinuousClock.now
        let names = try lab.machines().map(\.name)
        let (checkpoint, outcomes) = try await together(names) { try await lab.checkpoint(request, of: $0) }
        return LabCheckpointOutcome(
            checkpoint: checkpoint, pauseMicroseconds: outcomes.compactMap(\.pauseMicroseconds).max() ?? 0,
            durableMilliseconds: Int64((ContinuousClock.now - began) / .milliseconds(1)))
    }

    /// Makes the now of all machines of a checkpoint equal to it, at one moment; machines that are not in it stay.
    ///
    /// - Parameters:
    ///   - checkpoint: its name or its identity; nil for the newest from which all its machines' nows grew.
    ///   - isTrashing: false when what the machines were is not to go to the trash.
    /// - Returns: the checkpoint, and how each of its machines came to its state, in the order of its members.
    @discardableResult
    public func apply(
        _ checkpoint: String?, ending: RestoreEnding = .asCheckpoint, toTrash isTrashing: Bool = true
    ) async throws -> (checkpoint: LabCheckpoint, outcomes: [JointOutcome]) {
        let lab = try LabFolder.open(folder.path)
        let record = try LabRecord(reading: lab)
        guard
            let target = try checkpoint.map({ text throws(EngineError) in try record.checkpoint(text) })
                ?? record.parent
        else {
            throw EngineError(
                .notFound, "the lab \(lab.path) has no checkpoint of several machines from which all of them grew")
        }
        let outcomes = try await together(names(of: target, in: record)) {
            try await lab.apply(target, ending: ending, to: $0, toTrash: isTrashing)
        }
        return (target, outcomes)
    }

    /// Forgets a checkpoint of several machines with each machine's own; all others and now stay as they were.
    public func deleteCheckpoint(_ checkpoint: String) async throws {
        let lab = try LabFolder.open(folder.path)
        let record = try LabRecord(reading: lab)
        let target = try record.checkpoint(checkpoint)
        try await together(names(of: target, in: record)) { try await lab.delete(target, of: $0) }
    }

    /// Gives a checkpoint of several machines another name, and each machine's own that has the same one.
    public func renameCheckpoint(_ checkpoint: String, to name: CheckpointName) async throws {
        let lab = try LabFolder.open(folder.path)
        let record = try LabRecord(reading: lab)
        let target = try record.checkpoint(checkpoint)
        try await together(names(of: target, in: record)) { try await lab.rename(target, to: name, of: $0) }
    }

    private func names(of checkpoint: LabCheckpoint, in record: LabRecord) -> [MachineName] {
        checkpoint.members.compactMap { record.machine(of: $0, in: checkpoint)?.folder.name }
    }

    /// Reaches machines wherever they are hosted, and lets go of them in the end.
    private func together<Result>(
        _ names: [MachineName], _ body: ([any LabMember]) async throws -> Result
    ) async throws -> Result {
        var machines: [MachineHandle] = []
        do {
            for name in names { machines.append(try await machine(name)) }
            let result = try await body(machines.map(\.control))
            for machine in machines { await machine.close() }
            return result
        } catch {
            for machine in machines { await machine.close() }
            throw error
        }
    }
}

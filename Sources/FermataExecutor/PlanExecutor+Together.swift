// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataEngine
import FermataModel
import FermataPlan

extension PlanExecutor {
    /// Does one thing to several machines at one moment.
    func perform(together kinds: [Operation.Kind]) async throws -> OperationDetail? {
        let names = kinds.flatMap(\.machines)
        var members: [any LabMember] = []
        for name in names { members.append(try held(name)) }
        let folder = lab.folder
        let began = ContinuousClock.now
        switch kinds.first {
        case .checkpoint(let new):
            let replaces = kinds.contains { if case .checkpoint(let new) = $0 { new.replacing } else { false } }
            let request = CheckpointRequest(
                name: new.name, notes: new.notes, owner: new.owner, replaces: replaces, kind: new.kind.ofEngine)
            let (checkpoint, outcomes) = try await folder.checkpoint(request, of: members)
            return .checkpoint(
                CheckpointOutcome(
                    id: checkpoint.id, name: checkpoint.name,
                    pauseMicroseconds: outcomes.compactMap(\.pauseMicroseconds).max() ?? 0,
                    durableMilliseconds: (ContinuousClock.now - began).wholeMilliseconds))
        case .revert(_, let target?): return try await apply(target, to: members)
        case .apply(let name, _): return try await apply(name, to: members)
        case .deleteCheckpoint(let name, _, _):
            try await folder.delete(checkpoint(name, of: members), of: members)
        case .renameCheckpoint(let name, _, let new):
            try await folder.rename(checkpoint(name, of: members), to: new, of: members)
        default: throw RunError(.stale, "the plan has a step of the whole lab that there is not; plan again")
        }
        return nil
    }

    private func apply(_ name: CheckpointName, to members: [any LabMember]) async throws -> OperationDetail? {
        let checkpoint = try checkpoint(name, of: members)
        let began = ContinuousClock.now
        let outcomes = try await lab.folder.apply(checkpoint, to: members, toTrash: false)
        return .restore(
            RestoreOutcome(
                checkpoint: checkpoint.id, way: outcomes.compactMap(\.way).first ?? .off,
                microseconds: Int64((ContinuousClock.now - began) / .microseconds(1))))
    }

    /// The newest checkpoint of a name that holds these machines and has all its parts.
    private func checkpoint(_ name: CheckpointName, of members: [any LabMember]) throws -> LabCheckpoint {
        let record = try LabRecord(reading: lab.folder)
        let machines = Set(try members.map { try $0.folder.identity() })
        let found = record.checkpoints.last {
            $0.name == name && Set($0.members.map(\.machine)) == machines && record.missing(of: $0).isEmpty
        }
        guard let found else {
            throw RunError(.stale, "the lab has no checkpoint '\(name)' of all machines of the recipe; plan again")
        }
        return found
    }
}

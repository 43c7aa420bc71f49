// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel

/// Steps of the whole lab: they are of all machines of the recipe, and of checkpoints that all of them have.
extension Rehearsal {
    /// - Returns: what becomes of each machine.
    mutating func rehearseTogether(
        _ action: Action, _ place: Place, _ findings: inout Findings
    ) -> [Operation.Kind] {
        switch action {
        case .checkpoint(let name, _, let replace, let notes, let kind):
            return hold(name, kind, replace: replace, notes: notes, place, &findings)
        case .revert:
            let above = machines.dropFirst().reduce(machines[0].wholesAbove) { $0.intersection($1.wholesAbove) }
            guard let target = above.max() else {
                findings.error(
                    .wholeLab, place, "no checkpoint of the whole lab is left from which all of its machines grew",
                    suggestion: "say of which machine")
                return machines.map { .revert($0.name, to: nil) }
            }
            takeOver(target, place)
            return machines.map { .revert($0.name, to: wholes[target]) }
        case .apply(let name, _):
            if let target = whole(named: name, place, &findings) { takeOver(target, place) }
            return machines.map { .apply(name, of: $0.name) }
        case .deleteCheckpoint(let name, _, let scope):
            if scope != .checkpoint {
                findings.error(
                    .wholeLab, place, "of the whole lab one checkpoint is deleted, not what grew from it",
                    suggestion: "say of which machine")
            } else if let target = whole(named: name, place, &findings) {
                for index in machines.indices {
                    if let part = machines[index].part(of: target) { _ = machines[index].delete(part, .checkpoint) }
                }
            }
            return machines.map { .deleteCheckpoint(name, of: $0.name, .checkpoint) }
        case .renameCheckpoint(let name, _, let new):
            rename(name, to: new, place, &findings)
            return machines.map { .renameCheckpoint(name, of: $0.name, to: new) }
        default: return machines.indices.map { rehearse(action, $0, place, &findings) }
        }
    }

    private mutating func hold(
        _ name: CheckpointName, _ kind: Action.CheckpointKind, replace: Bool, notes: String?, _ place: Place,
        _ findings: inout Findings
    ) -> [Operation.Kind] {
        if let problem = name.problem {
            findings.error(.invalidName, place, "checkpoint name \(name.quoted) \(problem)")
        }
        let exists = isTaken(name, but: nil)
        if exists, !replace {
            findings.error(
                .duplicateCheckpoint, place, "the whole lab has a checkpoint \(name.quoted) already",
                suggestion: "choose another name, or say replace")
        }
        let number = wholes.count
        wholes.append(name)
        return machines.indices.map { index in
            let replacing = hold(name, kind, replace: replace || exists, for: number, index, place, &findings)
            return .checkpoint(newCheckpoint(name, kind, index, replacing: replacing, notes: notes))
        }
    }

    private mutating func rename(
        _ name: CheckpointName, to new: CheckpointName, _ place: Place, _ findings: inout Findings
    ) {
        if let problem = new.problem {
            findings.error(.invalidName, place, "checkpoint name \(new.quoted) \(problem)")
        }
        guard let target = whole(named: name, place, &findings), new != name else { return }
        if isTaken(new, but: target) {
            findings.error(
                .duplicateCheckpoint, place, "the whole lab has a checkpoint \(new.quoted) already",
                suggestion: "choose another name")
            return
        }
        for index in machines.indices {
            // A part that has got a name of its own keeps it.
            guard machines[index].part(of: target) == name else { continue }
            if machines[index].moment(named: new) != nil {
                findings.error(
                    .duplicateCheckpoint, place,
                    "machine \(machines[index].name.quoted) has a checkpoint \(new.quoted) already",
                    suggestion: "choose another name")
                return
            }
            _ = machines[index].rename(name, to: new)
        }
        wholes[target] = new
    }

    private mutating func takeOver(_ whole: Int, _ place: Place) {
        for index in machines.indices {
            if let part = machines[index].part(of: whole) { _ = machines[index].apply(part) }
            machines[index].since = place.at
        }
    }

    /// Whether another checkpoint has that name of which a machine has its part.
    private func isTaken(_ name: CheckpointName, but whole: Int?) -> Bool {
        wholes.indices.contains { number in
            number != whole && wholes[number] == name && machines.contains { $0.part(of: number) != nil }
        }
    }

    /// Whether all machines have their parts of a checkpoint.
    private func isWhole(_ number: Int) -> Bool {
        machines.allSatisfy { $0.part(of: number) != nil }
    }

    /// The checkpoint of all machines that a name stands for; notes a mistake when there is none.
    private func whole(named name: CheckpointName, _ place: Place, _ findings: inout Findings) -> Int? {
        if let number = wholes.indices.last(where: { wholes[$0] == name && isWhole($0) }) { return number }
        let alone = machines.first { $0.moment(named: name) != nil }
        findings.error(
            .unknownCheckpoint, place, "no checkpoint \(name.quoted) of the whole lab",
            suggestion: alone.map { "machine \($0.name.quoted) has one of that name: say of which machine" }
                ?? meant(name, among: wholes.indices.filter(isWhole).map { wholes[$0] }))
        return nil
    }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel

/// Machines that steps make of checkpoints of others, and what a fork has not.
extension Rehearsal {
    /// Makes a machine of a checkpoint of another as the step does; notes what no run could fork.
    mutating func fork(
        _ name: MachineName, _ index: Int, from checkpoint: CheckpointName?, _ place: Place, _ findings: inout Findings
    ) -> NewFork {
        if let problem = name.problem {
            findings.error(.invalidName, place, "machine name \(name.quoted) \(problem)")
        }
        let source = machines[index]
        let moment = if let checkpoint { source.moment(named: checkpoint) } else { source.parent }
        if moment == nil {
            if let checkpoint {
                unknown(checkpoint, index, place, &findings)
            } else {
                noCheckpoint(index, "of which another machine could be made", place, &findings)
            }
        }
        if let other = indices[name] {
            let at = machines[other].start.definition.at.map { ", at \($0)" } ?? ""
            findings.error(
                .duplicateName, place, "the recipe has a machine \(name.quoted) already\(at)",
                suggestion: "choose another name")
        } else {
            add(name, of: source, at: moment, place)
        }
        return NewFork(
            name: name, source: source.name, checkpoint: moment?.name, owner: source.start.new.owner,
            withMemory: moment.map { $0.states != [.off] } ?? false)
    }

    /// Notes that a fork, which has no origin, has no checkpoint to go back to.
    func noCheckpoint(_ index: Int, _ use: String, _ place: Place, _ findings: inout Findings) {
        findings.error(
            .unknownCheckpoint, place, "machine \(machines[index].name.quoted) is a fork and has no checkpoint \(use)",
            suggestion: "hold one first with Checkpoint")
    }

    /// Where a machine is made that is not there yet.
    func hint(forMachine name: MachineName, after place: Place) -> String? {
        let later = recipe.steps.dropFirst(place.step ?? 0).first { step in
            if case .fork(name, _, _) = step.action { true } else { false }
        }
        return later.map { "it is forked later" + ($0.at.map { ", at \($0)" } ?? "") }
    }

    /// Notes once that a machine's author forbids checkpoints of it.
    mutating func checkAllowed(_ index: Int, _ place: Place, _ findings: inout Findings) {
        let machine = machines[index]
        guard machine.start.existing?.allowsCheckpoints == false, !machine.isToldForbidden else { return }
        machines[index].isToldForbidden = true
        findings.error(
            .forbidden, place, "machine \(machine.name.quoted) forbids checkpoints",
            suggestion:
                "allow them first with 'fermata vm set \(machine.name.description.shortened(to: 100)) --checkpoints allowed'"
        )
    }
}

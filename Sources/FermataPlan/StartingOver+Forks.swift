// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel

/// Machines that steps fork: what an earlier run left of them goes first.
///
/// ```
///  no machine of that name ─────────────────────────────────► fork
///  made by this recipe, nothing else in it or behind it ────► delete, fork again
///  everything else ─────────────────────────────────────────► an error; nothing is touched
/// ```
extension StartingOver {
    /// The beginnings of what steps fork, one for each name, forks of forks before those of which they were made.
    func forks(_ findings: inout Findings) -> [MachineStart] {
        let steps = forkSteps
        let deleted = Set(
            steps.compactMap { inventory.machine(named: $0.name) }.filter { $0.owner?.recipe == recipe.name }.map(
                \.name))
        return inOrderOfDeletion(steps.map { start(of: $0.name, at: $0.place, deleting: deleted, &findings) })
    }

    /// The names that steps give to forks, those of the recipe's own machines aside, with the first step that does.
    private var forkSteps: [(name: MachineName, place: Place)] {
        var seen = Set(recipe.machines.map(\.name))
        return recipe.steps.enumerated().compactMap { index, step in
            guard case .fork(let name, _, _) = step.action, seen.insert(name).inserted else { return nil }
            return (name, Place(at: step.at, step: index + 1))
        }
    }

    private func start(
        of name: MachineName, at place: Place, deleting deleted: Set<MachineName>, _ findings: inout Findings
    ) -> MachineStart {
        // What it is made of, the rehearsal finds out.
        let definition = MachineDefinition(name: name, at: place.at)
        let owner = RecipeOwnership(recipe: recipe.name, definition: "")
        var start = MachineStart(
            new: NewMachine(definition: definition, owner: owner, files: []), existing: nil, fate: .fork)
        guard let existing = inventory.machine(named: name), isFree(existing, at: place, &findings) else {
            return start
        }
        start.existing = existing
        start.fate = .forkAgain
        start.doomed = existing.tree.parentsFirst.reversed()
        let foreign = existing.tree.checkpoints.filter { !$0.isOrigin && $0.owner?.recipe != recipe.name }
        refuseToLose(foreign, of: existing, which: "is forked again", at: place, &findings)
        refuseToCutOff(
            existing.forks.subtracting(deleted), of: existing, which: "is forked again", at: place, &findings)
        return start
    }

    /// A machine can go once no other reads through its disks.
    private func inOrderOfDeletion(_ starts: [MachineStart]) -> [MachineStart] {
        var ordered: [MachineStart] = []
        var waiting = starts
        while !waiting.isEmpty {
            let names = Set(waiting.map(\.definition.name))
            let free = waiting.filter { ($0.existing?.forks ?? []).isDisjoint(with: names) }
            // Machines that read through each other's disks would be damaged; the engine refuses them.
            guard !free.isEmpty else { return ordered + waiting }
            ordered += free
            waiting.removeAll { start in free.contains { $0.definition.name == start.definition.name } }
        }
        return ordered
    }

    /// Refuses to delete a machine through whose disks others read.
    func refuseToCutOff(
        _ forks: Set<MachineName>, of machine: Inventory.Machine, which reason: String, at place: Place,
        _ findings: inout Findings
    ) {
        guard let fork = forks.min() ?? machine.discardedForks.min() else { return }
        let name = fork.description.shortened(to: 100)
        let sentence = "machine \(machine.name.quoted) \(reason), but its fork '\(name)'"
        if forks.isEmpty {
            findings.error(
                .cannotStartOver, place, "\(sentence), which is in the trash, reads through its disks",
                suggestion: "remove that with 'fermata gc \(name)'")
        } else {
            findings.error(
                .cannotStartOver, place, "\(sentence) reads through its disks",
                suggestion: "make that independent with 'fermata vm promote \(name)', or delete it")
        }
    }
}

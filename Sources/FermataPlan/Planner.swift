// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

public import FermataModel
import Hashing

/// Works out what a recipe does to what exists, and what is wrong with it.
///
/// It knows nothing of disks, hypervisors or files: what exists comes to it as an ``Inventory``.
/// ```
///  Recipe ──┐
///           ├─► definitions ─► starting over ─► rehearsal, step by step ─► Plan, or all mistakes at once
///  Inventory┘
/// ```
public enum Planner {
    /// Rehearses a recipe and returns its plan.
    ///
    /// - Throws: ``PlanningErrors`` with every mistake, each at its line; then nothing may be done.
    public static func plan(
        _ recipe: Recipe, with inventory: Inventory, atEnd: Plan.AtEnd = .off
    ) throws(PlanningErrors) -> Plan {
        var findings = Findings()
        DefinitionCheck(recipe: recipe, inventory: inventory).check(&findings)
        let startingOver = StartingOver(recipe: recipe, inventory: inventory)
        let forks = startingOver.forks(&findings)
        let starts = startingOver.starts(beside: forks, &findings)
        var rehearsal = Rehearsal(recipe: recipe, starts: starts, forks: forks, folders: inventory.folders)
        rehearsal.run(&findings)

        let space = rehearsal.space(atEnd)
        check(space, against: inventory.freeSpace, &findings)
        guard !findings.hasErrors else { throw PlanningErrors(findings.inOrder) }
        return Plan(
            recipe: recipe.name,
            recipeDigest: SHA256.digest(of: recipe.withoutLocations.jsonValue.compact.utf8).description,
            operations: (forks + starts).flatMap(\.operations) + rehearsal.operations + rehearsal.ending(atEnd),
            atEnd: atEnd,
            forecasts: rehearsal.machines.map(\.forecast),
            space: space,
            warnings: findings.inOrder)
    }

    private static func check(_ need: Plan.SpaceNeed, against free: ByteSize?, _ findings: inout Findings) {
        guard let free else { return }
        if need.least > free {
            findings.error(
                .space, Place(), "the boot files take \(need.least) of space, and \(free) is free",
                suggestion: "make room where the lab lies")
        } else if need.most > free {
            findings.warning(
                .space, Place(), "the checkpoints may take up to \(need.most) of space, and \(free) is free")
        }
    }
}

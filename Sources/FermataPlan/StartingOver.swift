// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import Hashing

/// Decides for each machine of a recipe how a run begins: it is made, made again, or returns to its origin.
///
/// ```
///  no machine of that name ──────────────────────────────────► create
///  made by this recipe ─┬─ same definition, has its origin ──► return to origin
///                       └─ otherwise, nothing else in it ────► recreate
///  everything else ──────────────────────────────────────────► an error; nothing is touched
/// ```
/// What a step forks it makes itself; what an earlier run forked is deleted before that.
struct StartingOver {
    let recipe: Recipe
    let inventory: Inventory

    /// The beginnings, one for each machine in the recipe's order; of machines of one name the first counts.
    ///
    /// - Parameter forks: those of the machines that steps fork.
    func starts(beside forks: [MachineStart], _ findings: inout Findings) -> [MachineStart] {
        var seen: Set<MachineName> = []
        let definitions = recipe.machines.filter { seen.insert($0.name).inserted }
        let made = namesMade(by: definitions)
        let deleted = Set(forks.filter { $0.fate == .forkAgain }.map(\.definition.name))
        let starts = definitions.map { start(of: $0, making: made[$0.name] ?? [:], deleting: deleted, &findings) }
        refuseLabCheckpoints(starts + forks, &findings)
        return starts
    }

    /// Refuses to make a checkpoint of the whole lab while there is one of that name that does not go with what is made
    /// again.
    private func refuseLabCheckpoints(_ starts: [MachineStart], _ findings: inout Findings) {
        let doomed = Set(starts.flatMap { $0.doomed.map(\.id) })
        var machines = Set(recipe.machines.map(\.name))
        for (index, step) in recipe.steps.enumerated() {
            if case .fork(let name, _, _) = step.action { machines.insert(name) }
            let name: CheckpointName
            switch step.action {
            case .checkpoint(let new, nil, _, _, _), .renameCheckpoint(_, nil, let new): name = new
            default: continue
            }
            guard machines.count > 1 else { continue }
            guard let existing = inventory.labCheckpoints.first(where: { $0.name == name }),
                !existing.parts.isSubset(of: doomed)
            else { continue }
            findings.error(
                .notOwned, Place(at: step.at, step: index + 1),
                "the lab has a checkpoint \(name.quoted) of machines that this run does not make again",
                suggestion: "choose another name, or delete it with 'fermata checkpoint delete --all'")
        }
    }

    /// For each machine the names that the recipe gives to checkpoints, with the first step that does.
    private func namesMade(by definitions: [MachineDefinition]) -> [MachineName: [CheckpointName: Place]] {
        var made: [MachineName: [CheckpointName: Place]] = [:]
        for (index, step) in recipe.steps.enumerated() {
            let name: CheckpointName
            switch step.action {
            case .checkpoint(let new, _, _, _, _), .renameCheckpoint(_, _, let new): name = new
            default: continue
            }
            for machine in step.action.machine.map({ [$0] }) ?? definitions.map(\.name)
            where made[machine]?[name] == nil {
                made[machine, default: [:]][name] = Place(at: step.at, step: index + 1)
            }
        }
        return made
    }

    private func start(
        of definition: MachineDefinition, making names: [CheckpointName: Place], deleting deleted: Set<MachineName>,
        _ findings: inout Findings
    ) -> MachineStart {
        let files = definition.inputFiles.compactMap { path -> NewMachine.InputFile? in
            guard case .file(let digest, let size)? = inventory.files[path] else { return nil }
            return NewMachine.InputFile(path: path, digest: digest, size: size)
        }
        let digests = Dictionary(files.map { ($0.path, $0.digest) }, uniquingKeysWith: { first, _ in first })
        let digest = definition.digest(files: digests)
        let owner = RecipeOwnership(recipe: recipe.name, definition: digest?.description ?? "")
        var start = MachineStart(
            new: NewMachine(definition: definition, owner: owner, files: files), existing: nil, fate: .create)
        guard let existing = inventory.machine(named: definition.name) else { return start }

        let place = Place(at: definition.at)
        guard isFree(existing, at: place, &findings) else { return start }
        start.existing = existing
        // Without its digest nobody can say whether the definition changed; the missing file is an error of its own.
        guard digest != nil else { return start }
        let foreign = existing.tree.checkpoints.filter { !$0.isOrigin && $0.owner?.recipe != recipe.name }
        if existing.owner == owner, let origin = existing.tree.checkpoints.first(where: \.isOrigin) {
            refuse(foreign.filter { names[$0.name] != nil }, of: definition.name, madeAt: names, &findings)
            let foreignIDs = Set(foreign.map(\.id))
            start.fate = .returnToOrigin
            start.origin = origin.id
            start.doomed = existing.tree.parentsFirst.reversed().filter {
                !$0.isOrigin && !foreignIDs.contains($0.id) && names[$0.name] != nil
            }
        } else {
            start.fate = .recreate
            start.doomed = existing.tree.parentsFirst.reversed()
            let reason = existing.owner == owner ? "has lost its origin" : "has changed in the recipe"
            refuseToLose(foreign, of: existing, which: "\(reason) and must be made again", at: place, &findings)
            refuseToCutOff(
                existing.forks.subtracting(deleted), of: existing, which: "\(reason) and must be made again", at: place,
                &findings)
        }
        return start
    }

    /// Whether a run of the recipe may start over with a machine; notes that it is another's, or in use.
    ///
    /// - Returns: false for a machine that the recipe did not make.
    func isFree(_ existing: Inventory.Machine, at place: Place, _ findings: inout Findings) -> Bool {
        guard existing.owner?.recipe == recipe.name else {
            findings.error(
                .notOwned, place,
                "machine \(existing.name.quoted) exists and was not made by recipe \(recipe.name.quoted)"
                    + maker(existing.owner),
                suggestion: "choose another name, or another lab with --store")
            return false
        }
        if existing.state == .running || existing.state == .paused {
            findings.error(
                .inUse, place,
                "machine \(existing.name.quoted) is \(existing.state?.rawValue ?? "in use"), and a run starts over",
                suggestion: "wait for the process that runs it, or end that one with Ctrl-C")
        }
        return true
    }

    private func refuse(
        _ foreign: [CheckpointTree.Checkpoint], of machine: MachineName, madeAt places: [CheckpointName: Place],
        _ findings: inout Findings
    ) {
        for checkpoint in foreign {
            findings.error(
                .notOwned, places[checkpoint.name] ?? Place(),
                "checkpoint \(checkpoint.name.quoted) of machine \(machine.quoted) exists and was not made by recipe "
                    + recipe.name.quoted + maker(checkpoint.owner),
                suggestion: "choose another name, or another lab with --store")
        }
    }

    /// Refuses to delete a machine with checkpoints that somebody else made.
    func refuseToLose(
        _ foreign: [CheckpointTree.Checkpoint], of machine: Inventory.Machine, which reason: String, at place: Place,
        _ findings: inout Findings
    ) {
        guard let first = foreign.first else { return }
        let others = foreign.count == 1 ? "" : " and \(foreign.count - 1) more"
        findings.error(
            .cannotStartOver, place,
            "machine \(machine.name.quoted) \(reason), but holds checkpoint "
                + "\(first.name.quoted)\(others), which the recipe did not make",
            suggestion: "choose another machine name, or another lab with --store")
    }

    private func maker(_ owner: RecipeOwnership?) -> String {
        owner.map { ", but by recipe \($0.recipe.quoted)" } ?? ""
    }
}

extension CheckpointTree {
    /// The checkpoints, each after its parent; what hangs from nothing that exists counts as a root.
    ///
    /// What hangs from itself in a circle is left out.
    var parentsFirst: [Checkpoint] {
        let known = Set(checkpoints.map(\.id))
        var children: [GUID: [Checkpoint]] = [:]
        var waiting: [Checkpoint] = []
        for checkpoint in checkpoints {
            if let parent = checkpoint.parent, known.contains(parent) {
                children[parent, default: []].append(checkpoint)
            } else {
                waiting.append(checkpoint)
            }
        }
        var ordered: [Checkpoint] = []
        var seen: Set<GUID> = []
        waiting.reverse()
        while let checkpoint = waiting.popLast() {
            guard seen.insert(checkpoint.id).inserted else { continue }
            ordered.append(checkpoint)
            waiting.append(contentsOf: (children[checkpoint.id] ?? []).reversed())
        }
        return ordered
    }
}

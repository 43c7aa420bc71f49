// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel

/// How a run begins for one machine.
struct MachineStart {
    /// What the machine is made from, whether now or in an earlier run.
    var new: NewMachine
    /// The machine as it exists.
    var existing: Inventory.Machine?
    var fate: MachineForecast.Fate
    /// Where a return goes.
    var origin: GUID?
    /// The checkpoints that go, leaves first.
    var doomed: [CheckpointTree.Checkpoint] = []

    var definition: MachineDefinition { new.definition }

    /// The operations of the preparation.
    var operations: [Operation] {
        let kinds: [Operation.Kind]
        switch (fate, existing, origin) {
        case (.returnToOrigin, let existing?, let origin?):
            let doomed = doomed.map { OriginReturn.Doomed(id: $0.id, name: $0.name) }
            kinds = [
                .returnToOrigin(
                    definition.name,
                    OriginReturn(
                        machine: existing.id, origin: origin, deleting: doomed,
                        discardsSaved: existing.state == .saved))
            ]
        case (.forkAgain, let existing?, _): kinds = [.deleteMachine(definition.name, existing.id)]
        case (.fork, _, _): kinds = []
        case (.recreate, let existing?, _):
            kinds = [
                .recreateMachine(new, replacing: existing.id), .createOrigin(definition.name, owner: new.owner),
            ]
        default:
            kinds = [.createMachine(new), .createOrigin(definition.name, owner: new.owner)]
        }
        return kinds.map { Operation($0, phase: .preparation, at: definition.at) }
    }
}

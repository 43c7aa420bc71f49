// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel

/// A second opinion on recipes: it does each step with booleans and dictionaries and stops at the first mistake.
struct Simulation {
    private struct Machine {
        var isOn = false
        /// The state of each checkpoint; the origin has no name.
        var checkpoints: [CheckpointName?: Bool] = [nil: false]
        /// The checkpoint to which a revert goes.
        ///
        /// One that was replaced stands for the one that replaced it, since
        /// now is always the last one made or applied.
        var parent: CheckpointName?
    }

    private var machines: [MachineName: Machine] = [:]

    init(_ recipe: Recipe) {
        for machine in recipe.machines { machines[machine.name] = Machine() }
    }

    /// The number of the first step that cannot be done; nil when all can.
    static func firstMistake(in recipe: Recipe) -> Int? {
        var simulation = Simulation(recipe)
        for (index, step) in recipe.steps.enumerated() where !simulation.takes(step.action) { return index + 1 }
        return nil
    }

    /// Does a step if it can be done; else changes nothing and says no.
    mutating func takes(_ action: Action) -> Bool {
        guard let name = action.machine ?? (machines.count == 1 ? machines.keys.first : nil),
            var machine = machines[name]
        else { return false }
        switch action {
        case .start:
            if machine.isOn { return false }
            machine.isOn = true
        case .shutDown, .turnOff:
            if !machine.isOn { return false }
            machine.isOn = false
        case .run, .waitForConsole:
            if !machine.isOn { return false }
        case .checkpoint(let name, _, let replace, _):
            if machine.checkpoints[name] != nil, !replace { return false }
            machine.checkpoints[name] = machine.isOn
            machine.parent = name
        case .revert: machine.isOn = machine.checkpoints[machine.parent] ?? false
        case .apply(let name, _):
            guard let isOn = machine.checkpoints[name] else { return false }
            machine.isOn = isOn
            machine.parent = name
        }
        machines[name] = machine
        return true
    }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel

/// A second opinion on recipes: it does each step with letters and dictionaries and stops at the first mistake.
struct Simulation {
    private struct Machine {
        /// `o` off, `r` running, `p` paused, `s` saved.
        var power: Character = "o"
        /// The state of each checkpoint; the origin has no name.
        var checkpoints: [CheckpointName?: Character] = [nil: "o"]
        /// The checkpoint to which a revert goes.
        ///
        /// One that was replaced stands for the one that replaced it, since
        /// now is always the last one made or applied.
        var parent: CheckpointName?
        /// The disks now, and those of each checkpoint.
        var disks: [String]
        var heldDisks: [CheckpointName?: [String]]

        init(_ disks: [String]) {
            self.disks = disks
            heldDisks = [nil: disks]
        }
    }

    private var machines: [MachineName: Machine] = [:]

    init(_ recipe: Recipe) {
        for machine in recipe.machines { machines[machine.name] = Machine(machine.disks.map(\.name)) }
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
            if "rp".contains(machine.power) { return false }
            machine.power = "r"
        case .shutDown:
            if machine.power != "r" { return false }
            machine.power = "o"
        case .turnOff:
            if machine.power == "o" { return false }
            machine.power = "o"
        case .pause:
            if machine.power != "r" { return false }
            machine.power = "p"
        case .resume:
            if machine.power != "p" { return false }
            machine.power = "r"
        case .save:
            if "os".contains(machine.power) { return false }
            machine.power = "s"
        case .reset:
            if "os".contains(machine.power) { return false }
        case .run, .waitForConsole, .waitForReboot, .type:
            if machine.power != "r" { return false }
        case .checkpoint(let name, _, let replace, _):
            if machine.checkpoints[name] != nil, !replace { return false }
            machine.checkpoints[name] = machine.power
            machine.heldDisks[name] = machine.disks
            machine.parent = name
        case .revert:
            machine.power = machine.checkpoints[machine.parent] ?? "o"
            machine.disks = machine.heldDisks[machine.parent] ?? []
        case .apply(let name, _):
            guard let power = machine.checkpoints[name] else { return false }
            machine.power = power
            machine.disks = machine.heldDisks[name] ?? []
            machine.parent = name
        case .change(_, let change):
            if change.isOfHardware, machine.power != "o" { return false }
        case .attach(_, let disk):
            if machine.power != "o" || machine.disks.contains(disk.name) { return false }
            machine.disks.append(disk.name)
        case .detach(_, let disk):
            guard machine.power == "o", let index = machine.disks.firstIndex(of: disk) else { return false }
            machine.disks.remove(at: index)
        }
        machines[name] = machine
        return true
    }
}

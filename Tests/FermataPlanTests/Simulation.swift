// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel

/// A second opinion on recipes: it does each step with letters and dictionaries and stops at the first mistake.
struct Simulation {
    private struct Moment {
        /// nil for the origin.
        var name: CheckpointName?
        /// That from which it grew; what is left of its ancestors once that is gone.
        var parent: Int
        var power: Character
        var disks: [String]
    }

    private struct Machine {
        /// `o` off, `r` running, `p` paused, `s` saved.
        var power: Character = "o"
        var disks: [String]
        /// The first is the origin, its own parent.
        var moments: [Int: Moment]
        var now = 0
        private var count = 1

        init(_ disks: [String]) {
            self.disks = disks
            moments = [0: Moment(name: nil, parent: 0, power: "o", disks: disks)]
        }

        func find(_ name: CheckpointName) -> Int? { moments.first { $0.value.name == name }?.key }

        func isBelow(_ top: Int, _ moment: Int) -> Bool {
            guard moment != 0, let parent = moments[moment]?.parent else { return false }
            return parent == top || isBelow(top, parent)
        }

        mutating func hold(_ name: CheckpointName) {
            moments[count] = Moment(name: name, parent: now, power: power, disks: disks)
            now = count
            count += 1
        }

        mutating func forget(_ moment: Int) {
            guard let parent = moments.removeValue(forKey: moment)?.parent else { return }
            for (other, value) in moments where value.parent == moment { moments[other]?.parent = parent }
            if now == moment { now = parent }
        }

        mutating func take(_ moment: Int) {
            power = moments[moment]?.power ?? "o"
            disks = moments[moment]?.disks ?? []
            now = moment
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
            let old = machine.find(name)
            if old != nil, !replace { return false }
            machine.hold(name)
            if let old { machine.forget(old) }
        case .revert:
            machine.take(machine.now)
        case .apply(let name, _):
            guard let moment = machine.find(name) else { return false }
            machine.take(moment)
        case .deleteCheckpoint(let name, _, let scope):
            guard let top = machine.find(name) else { return false }
            let below = scope == .checkpoint ? [] : machine.moments.keys.filter { machine.isBelow(top, $0) }
            for moment in (scope == .children ? [] : [top]) + below { machine.forget(moment) }
        case .renameCheckpoint(let name, _, let new):
            guard let moment = machine.find(name), machine.find(new) ?? moment == moment else { return false }
            machine.moments[moment]?.name = new
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

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
        /// The number of the checkpoint of all machines to which it belongs.
        var whole: Int?
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

        /// A fork, which has no origin: its first moments grow from none.
        init(forkedAt moment: Moment) {
            power = moment.power == "o" ? "o" : "r"
            disks = moment.disks
            moments = [:]
            now = -1
        }

        func find(_ name: CheckpointName) -> Int? { moments.first { $0.value.name == name }?.key }

        func isBelow(_ top: Int, _ moment: Int) -> Bool {
            guard moment != 0, let parent = moments[moment]?.parent else { return false }
            return parent == top || isBelow(top, parent)
        }

        mutating func hold(_ name: CheckpointName, _ kind: Action.CheckpointKind, for whole: Int? = nil) {
            let power: Character = kind == .diskOnly ? "o" : power
            moments[count] = Moment(name: name, parent: now, power: power, disks: disks, whole: whole)
            now = count
            count += 1
        }

        /// The part of a checkpoint of all machines.
        func part(of whole: Int) -> Int? { moments.first { $0.value.whole == whole }?.key }

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
    /// The names of the checkpoints of all machines.
    private var wholes: [CheckpointName] = []
    private var folders: Set<String> = []

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
        if action.machine == nil, machines.count > 1 { return takesTogether(action) }
        guard let name = action.machine ?? machines.keys.first, var machine = machines[name] else { return false }
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
        case .checkpoint(let name, _, let replace, _, let kind):
            let old = machine.find(name)
            if old != nil, !replace { return false }
            machine.hold(name, kind)
            if let old { machine.forget(old) }
        case .revert:
            if machine.moments[machine.now] == nil { return false }
            machine.take(machine.now)
        case .exportCheckpoint(let name, _, let folder, _, let memory):
            guard let moment = machine.find(name).flatMap({ machine.moments[$0] }), !folders.contains(folder),
                !memory || moment.power != "o"
            else { return false }
            folders.insert(folder)
        case .fork(let new, _, let from):
            let begin = if let from { machine.find(from) } else { machine.now }
            guard let moment = begin.flatMap({ machine.moments[$0] }), machines[new] == nil else { return false }
            machines[new] = Machine(forkedAt: moment)
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

    /// A step of all machines: each has its part in the checkpoint, or there is none.
    private mutating func takesTogether(_ action: Action) -> Bool {
        func parts(_ whole: Int) -> [MachineName: Int] { machines.compactMapValues { $0.part(of: whole) } }
        func find(_ name: CheckpointName) -> Int? {
            wholes.indices.last { wholes[$0] == name && parts($0).count == machines.count }
        }
        func isTaken(_ name: CheckpointName, but whole: Int?) -> Bool {
            wholes.indices.contains { $0 != whole && wholes[$0] == name && !parts($0).isEmpty }
        }
        switch action {
        case .checkpoint(let name, _, let replace, _, let kind):
            if !replace, isTaken(name, but: nil) || machines.values.contains(where: { $0.find(name) != nil }) {
                return false
            }
            for (key, machine) in machines {
                let old = machine.find(name)
                machines[key]?.hold(name, kind, for: wholes.count)
                if let old { machines[key]?.forget(old) }
            }
            wholes.append(name)
        case .revert:
            func grew(_ machine: Machine, from part: Int?) -> Bool {
                part.map { machine.now == $0 || machine.isBelow($0, machine.now) } ?? false
            }
            let target = wholes.indices.last { whole in
                machines.values.allSatisfy { grew($0, from: $0.part(of: whole)) }
            }
            guard let target else { return false }
            for (key, part) in parts(target) { machines[key]?.take(part) }
        case .apply(let name, _):
            guard let target = find(name) else { return false }
            for (key, part) in parts(target) { machines[key]?.take(part) }
        case .deleteCheckpoint(let name, _, let scope):
            guard scope == .checkpoint, let target = find(name) else { return false }
            for (key, part) in parts(target) { machines[key]?.forget(part) }
        case .renameCheckpoint(let name, _, let new):
            guard let target = find(name), !isTaken(new, but: target) else { return false }
            let followers = parts(target).filter { machines[$0.key]?.moments[$0.value]?.name == name }
            if new != name, followers.keys.contains(where: { machines[$0]?.find(new) != nil }) { return false }
            for (key, part) in followers { machines[key]?.moments[part]?.name = new }
            wholes[target] = new
        default: return false
        }
        return true
    }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import FermataPlan

/// A lab in memory that does a plan's operations one by one and refuses whatever does not hold when it must.
struct ModelLab {
    struct Refusal: Error, CustomStringConvertible {
        let description: String
    }

    private(set) var machines: [MachineName: Inventory.Machine] = [:]
    /// The power state that each checkpoint holds.
    private var held: [GUID: MachineState] = [:]
    /// The disks of each machine, and those that each checkpoint holds.
    private var disks: [MachineName: [String]] = [:]
    private var heldDisks: [GUID: [String]] = [:]
    private var clock: UInt8 = 0
    /// The machines of which each fork was made, directly or by way of others.
    private var sources: [MachineName: Set<MachineName>] = [:]
    /// The checkpoints of all machines, with each machine's own.
    private var wholes: [(name: CheckpointName, parts: [MachineName: GUID])] = []

    var inventory: Inventory {
        Inventory(
            machines: machines.values.sorted { $0.name < $1.name }.map { machine in
                var machine = machine
                machine.forks = forks(of: machine.name)
                return machine
            },
            labCheckpoints: wholes.map { whole in .init(name: whole.name, parts: Set(left(of: whole.parts).values)) }
                .filter { !$0.parts.isEmpty })
    }

    mutating func run(_ plan: Plan) throws {
        for (index, operation) in plan.operations.enumerated() {
            do {
                try perform(operation.kind)
            } catch let refusal as Refusal {
                throw Refusal(description: "operation \(index + 1), \(operation.summary): \(refusal)")
            }
        }
    }

    /// Adds a checkpoint that no recipe made, below the one from which now grows.
    mutating func holdByHand(_ name: CheckpointName, of machine: MachineName) throws {
        try hold(name, of: machine, owner: nil, isOrigin: false)
    }

    private func forks(of machine: MachineName) -> Set<MachineName> {
        Set(sources.filter { $0.value.contains(machine) }.keys)
    }

    private mutating func perform(_ kind: Operation.Kind) throws {
        switch kind {
        case .deleteMachine(let name, let id):
            try require(machines[name]?.id == id, "another machine stands there")
            try require(machines[name].map(hasNoPower) == true, "it is not off")
            try require(forks(of: name).isEmpty, "it has forks")
            machines[name] = nil
            sources[name] = nil
        case .fork(let new):
            guard let source = machines[new.source], machines[new.name] == nil else {
                throw Refusal(description: "no machine \(new.source), or one \(new.name)")
            }
            let found = source.tree.checkpoints.filter {
                new.checkpoint == nil ? $0.isOrigin : $0.name == new.checkpoint && !$0.isOrigin
            }
            guard let begin = found.first, found.count == 1 else {
                throw Refusal(description: "\(found.count) checkpoints to fork")
            }
            try require((held[begin.id] != .off) == new.withMemory, "withMemory is wrong")
            clock &+= 1
            machines[new.name] = Inventory.Machine(
                name: new.name, id: Sample.id(clock), state: new.withMemory ? .running : .off, owner: new.owner)
            disks[new.name] = heldDisks[begin.id]
            sources[new.name] = (sources[new.source] ?? []).union([new.source])
        case .exportCheckpoint(let checkpoint, let name, _, _, let withMemory):
            let id = try machines[name].map { try only(checkpoint, in: $0.tree) }
            try require(id != nil && (!withMemory || id.flatMap { held[$0] } != .off), "no memory to export")
        case .createMachine(let new):
            try require(machines[new.definition.name] == nil, "the machine exists")
            create(new)
        case .recreateMachine(let new, let id):
            try require(machines[new.definition.name]?.id == id, "another machine stands there")
            try require(machines[new.definition.name].map(hasNoPower) == true, "it is not off")
            create(new)
        case .returnToOrigin(let name, let back):
            try change(name) { machine in
                try require(machine.id == back.machine && hasNoPower(machine), "not that machine, off")
                try require(back.discardsSaved == (machine.state == .saved), "discardsSaved is wrong")
                machine.state = .off
                try require(machine.tree[back.origin]?.isOrigin == true, "no origin")
                machine.tree.now = back.origin
                for doomed in back.deleting {
                    try require(machine.tree[doomed.id]?.name == doomed.name, "no checkpoint \(doomed.name)")
                    remove(doomed.id, from: &machine.tree)
                }
            }
            disks[name] = heldDisks[back.origin]
        case .createOrigin(let name, let owner):
            try require(machines[name]?.tree.checkpoints.isEmpty == true, "the machine is not new")
            try hold("origin", of: name, owner: owner, isOrigin: true)
        case .start(let name): try switchPower(of: name, from: [.off, .saved], to: .running)
        case .shutDown(let name, _, _): try switchPower(of: name, from: [.running], to: .off)
        case .turnOff(let name): try change(name) { $0.state = .off }
        case .pause(let name): try switchPower(of: name, from: [.running], to: .paused)
        case .resume(let name): try switchPower(of: name, from: [.paused], to: .running)
        case .save(let name): try switchPower(of: name, from: [.running, .paused], to: .saved)
        case .reset(let name): try switchPower(of: name, from: [.running, .paused], to: nil)
        case .waitForConsole(let name, _, _), .run(let name, _, _, _), .waitForReboot(let name, _),
            .type(let name, _):
            try switchPower(of: name, from: [.running], to: nil)
        case .checkpoint(let new):
            let tree = machines[new.machine]?.tree
            let old = tree?.checkpoints.first { $0.name == new.name && !$0.isOrigin }
            try require((old != nil) == new.replacing, "replacing is \(new.replacing)")
            let isHeld = machines[new.machine]?.state != .off && new.kind == .standard
            try require(isHeld == new.withMemory, "withMemory is wrong")
            try hold(new.name, of: new.machine, owner: new.owner, isOrigin: false, new.kind)
            if let old { try change(new.machine) { remove(old.id, from: &$0.tree) } }
        case .revert(let name, let target):
            let held = held
            try change(name) { machine in
                guard let now = machine.tree.now, let checkpoint = machine.tree[now] else {
                    throw Refusal(description: "nothing to revert to")
                }
                try require(checkpoint.isOrigin ? target == nil : target == checkpoint.name, "goes elsewhere")
                machine.state = held[now]
            }
            disks[name] = machines[name]?.tree.now.flatMap { heldDisks[$0] }
        case .apply(let checkpoint, let name):
            let held = held
            try change(name) { machine in
                let found = machine.tree.checkpoints.filter { $0.name == checkpoint && !$0.isOrigin }
                guard let target = found.first, found.count == 1 else {
                    throw Refusal(description: "\(found.count) checkpoints of that name")
                }
                machine.tree.now = target.id
                machine.state = held[target.id]
            }
            disks[name] = machines[name]?.tree.now.flatMap { heldDisks[$0] }
        case .deleteCheckpoint(let checkpoint, let name, let scope):
            try self.change(name) { machine in
                let top = try only(checkpoint, in: machine.tree)
                let below = scope == .checkpoint ? [] : machine.tree.descendants(of: top).map(\.id)
                for id in (scope == .children ? [] : [top]) + below { remove(id, from: &machine.tree) }
            }
        case .renameCheckpoint(let checkpoint, let name, let new):
            try self.change(name) { machine in
                let id = try only(checkpoint, in: machine.tree)
                try require(
                    !machine.tree.checkpoints.contains { $0.name == new && $0.id != id && !$0.isOrigin },
                    "the name is taken")
                for index in machine.tree.checkpoints.indices where machine.tree.checkpoints[index].id == id {
                    machine.tree.checkpoints[index].name = new
                }
            }
        case .change(let name, let change):
            if change.isOfHardware { try switchPower(of: name, from: [.off], to: nil) }
        case .attach(let name, let disk):
            try switchPower(of: name, from: [.off], to: nil)
            try require(disks[name]?.contains(disk.name) == false, "the disk exists")
            disks[name]?.append(disk.name)
        case .detach(let name, let disk):
            try switchPower(of: name, from: [.off], to: nil)
            try require(disks[name]?.contains(disk) == true, "there is no such disk")
            disks[name]?.removeAll { $0 == disk }
        case .together(let kinds): try perform(together: kinds)
        }
    }

    /// What of a checkpoint of all machines they still have.
    private func left(of parts: [MachineName: GUID]) -> [MachineName: GUID] {
        parts.filter { machines[$0.key]?.tree[$0.value] != nil }
    }

    private mutating func perform(together kinds: [Operation.Kind]) throws {
        let names = kinds.flatMap(\.machines)
        func whole(_ name: CheckpointName) throws -> Int {
            let found = wholes.indices.last {
                wholes[$0].name == name && left(of: wholes[$0].parts).count == names.count
            }
            guard let found else { throw Refusal(description: "no checkpoint \(name) of all machines") }
            return found
        }
        switch kinds.first {
        case .checkpoint(let first):
            let replaces = kinds.contains { if case .checkpoint(let new) = $0 { new.replacing } else { false } }
            try require(
                replaces || !wholes.contains { $0.name == first.name && !left(of: $0.parts).isEmpty },
                "the lab has one of that name")
            var parts: [MachineName: GUID] = [:]
            for kind in kinds {
                try perform(kind)
                for name in kind.machines { parts[name] = machines[name]?.tree.now }
            }
            wholes.append((first.name, parts))
        case .revert(_, let target?): try take(wholes[try whole(target)].parts)
        case .apply(let name, _): try take(wholes[try whole(name)].parts)
        case .deleteCheckpoint(let name, _, _):
            for (machine, id) in wholes[try whole(name)].parts { try change(machine) { remove(id, from: &$0.tree) } }
        case .renameCheckpoint(let name, _, let new):
            let index = try whole(name)
            let isTaken = wholes.indices.contains {
                $0 != index && wholes[$0].name == new && !left(of: wholes[$0].parts).isEmpty
            }
            try require(!isTaken, "the lab has one of that name")
            for (machine, id) in wholes[index].parts where machines[machine]?.tree[id]?.name == name {
                try perform(.renameCheckpoint(name, of: machine, to: new))
            }
            wholes[index].name = new
        default: throw Refusal(description: "nothing that all machines can do")
        }
    }

    private mutating func take(_ parts: [MachineName: GUID]) throws {
        let held = held
        for (name, id) in parts {
            try change(name) { machine in
                machine.tree.now = id
                machine.state = held[id]
            }
            disks[name] = heldDisks[id]
        }
    }

    private mutating func create(_ new: NewMachine) {
        clock &+= 1
        disks[new.definition.name] = new.definition.disks.map(\.name)
        machines[new.definition.name] = Inventory.Machine(
            name: new.definition.name, id: Sample.id(clock), state: .off, owner: new.owner)
    }

    private mutating func hold(
        _ name: CheckpointName, of machine: MachineName, owner: RecipeOwnership?, isOrigin: Bool,
        _ kind: Action.CheckpointKind = .standard
    ) throws {
        clock &+= 1
        let id = Sample.id(clock)
        let time = Int64(clock)
        held[id] = kind == .diskOnly ? .off : machines[machine]?.state
        let hasMemory = held[id] != .off
        heldDisks[id] = disks[machine]
        try change(machine) { machine in
            machine.tree.checkpoints.append(
                CheckpointTree.Checkpoint(
                    id: id, name: name, parent: machine.tree.now, kind: isOrigin ? .diskOnly : .standard,
                    hasMemory: hasMemory, time: time, owner: owner, isOrigin: isOrigin))
            machine.tree.now = id
        }
    }

    private mutating func switchPower(
        of name: MachineName, from old: Set<MachineState>, to new: MachineState?
    ) throws {
        try change(name) { machine in
            let state = machine.state ?? .off
            try require(old.contains(state), "the machine is \(state), not \(old)")
            machine.state = new ?? state
        }
    }

    private mutating func change(_ name: MachineName, _ body: (inout Inventory.Machine) throws -> Void) throws {
        guard var machine = machines[name] else { throw Refusal(description: "no machine \(name)") }
        try body(&machine)
        machines[name] = machine
    }
}

private func hasNoPower(_ machine: Inventory.Machine) -> Bool {
    machine.state == .off || machine.state == .saved
}

private func require(_ condition: Bool, _ message: String) throws {
    if !condition { throw ModelLab.Refusal(description: message) }
}

/// The one checkpoint of a name.
private func only(_ name: CheckpointName, in tree: CheckpointTree) throws -> GUID {
    let found = tree.checkpoints.filter { $0.name == name && !$0.isOrigin }
    guard let only = found.first, found.count == 1 else {
        throw ModelLab.Refusal(description: "\(found.count) checkpoints of that name")
    }
    return only.id
}

/// Forgets a checkpoint; what grew from it grows from its parent.
private func remove(_ id: GUID, from tree: inout CheckpointTree) {
    let parent = tree[id]?.parent
    tree.checkpoints.removeAll { $0.id == id }
    for index in tree.checkpoints.indices where tree.checkpoints[index].parent == id {
        tree.checkpoints[index].parent = parent
    }
    if tree.now == id { tree.now = parent }
}

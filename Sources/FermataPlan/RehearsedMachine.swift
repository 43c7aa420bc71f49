// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel

/// A machine during a rehearsal: the states it may be in, and the checkpoints that the run has made of it so far.
struct RehearsedMachine {
    let start: MachineStart
    /// Every state in which the machine may be at this point.
    var states: Set<MachineState> = [.off]
    /// The step that last changed its power, for messages.
    var since: SourceLocation?
    /// What the machine is made of at this point; nil after a mistake that leaves it open.
    var hardware: MachineDefinition?
    /// Whether a step has saved it.
    var wasSaved: Bool = false
    /// Whether it was told that no checkpoint can be made of it.
    var isToldForbidden: Bool = false
    /// What the run has held; the first is the origin, or of a fork, which has none, gone.
    private(set) var moments: [Moment]
    /// The moment from which now grows.
    private(set) var now: Int = 0
    private var named: [CheckpointName: Int] = [:]

    /// A held moment of a machine.
    struct Moment {
        /// Its name; nil for the origin.
        var name: CheckpointName?
        let parent: Int?
        /// Every state in which the machine may have been then, and will be after an apply.
        let states: Set<MachineState>
        /// What the machine was made of then, and will be after an apply.
        let hardware: MachineDefinition?
        /// The step that made it.
        let place: Place
        var isApplied: Bool = false
        /// The number of the checkpoint of all machines to which it belongs.
        var whole: Int?
        /// Whether it was deleted, or a later one of its name has taken its place.
        var isGone: Bool = false

        /// The states in which a fork of it may be: it runs on where there is memory.
        var statesOfFork: Set<MachineState> { Set(states.map { $0 == .off ? .off : .running }) }
    }

    init(_ start: MachineStart) {
        self.start = start
        hardware = start.definition
        moments = [Moment(name: nil, parent: nil, states: [.off], hardware: start.definition, place: Place())]
    }

    /// A machine that begins at a moment of another; without one after a mistake that leaves it open.
    init(_ start: MachineStart, forkedAt moment: Moment?, at place: Place) {
        self.start = start
        states = moment?.statesOfFork ?? Set(MachineState.allCases)
        since = place.at
        hardware = moment == nil ? nil : start.definition
        moments = [
            Moment(name: nil, parent: nil, states: [.off], hardware: start.definition, place: place, isGone: true)
        ]
    }

    var name: MachineName { start.definition.name }

    /// Whether it may have power at this point.
    var mayRun: Bool { !states.isDisjoint(with: [.running, .paused]) }

    /// The names that can be applied at this point, in the order in which they were made.
    var names: [CheckpointName] {
        moments.filter { !$0.isGone }.compactMap(\.name)
    }

    /// The moment that a name stands for at this point.
    func moment(named name: CheckpointName) -> Moment? {
        named[name].map { moments[$0] }
    }

    /// The moment from which now grew, as far as it is left; nil for a fork without checkpoints.
    var parent: Moment? { standing(now).map { moments[$0] } }

    /// The nearest moment that is left, from one upward.
    private func standing(_ index: Int?) -> Int? {
        var current = index
        while let candidate = current, moments[candidate].isGone { current = moments[candidate].parent }
        return current
    }

    /// Holds this moment; one of the same name is superseded.
    mutating func hold(
        _ name: CheckpointName, _ kind: Action.CheckpointKind, at place: Place, for whole: Int? = nil
    ) {
        if let old = named[name] { moments[old].isGone = true }
        named[name] = moments.count
        moments.append(
            Moment(
                name: name, parent: now, states: kind == .diskOnly ? [.off] : states, hardware: hardware, place: place,
                whole: whole))
        now = moments.count - 1
    }

    /// Forgets the moment of a name, or those below it; false when there is none.
    mutating func delete(_ name: CheckpointName, _ scope: Action.DeletionScope) -> Bool {
        guard let top = named[name] else { return false }
        var gone: Set<Int> = [top]
        if scope != .checkpoint {
            // Each was made after that from which it grew.
            for index in moments.indices.dropFirst(top + 1) where !moments[index].isGone {
                if let parent = standing(moments[index].parent), gone.contains(parent) { gone.insert(index) }
            }
        }
        if scope == .children { gone.remove(top) }
        for index in gone {
            moments[index].isGone = true
            if let name = moments[index].name { named[name] = nil }
        }
        return true
    }

    /// Gives the moment of a name another one; false when there is none.
    mutating func rename(_ name: CheckpointName, to new: CheckpointName) -> Bool {
        guard let index = named.removeValue(forKey: name) else { return false }
        moments[index].name = new
        named[new] = index
        return true
    }

    /// Makes now equal to the moment of a name; false when there is none.
    mutating func apply(_ name: CheckpointName) -> Bool {
        guard let index = named[name] else { return false }
        takeOver(index)
        return true
    }

    /// The name of the machine's part of a checkpoint of all machines; nil when it is no more.
    func part(of whole: Int) -> CheckpointName? {
        moments.first { $0.whole == whole && !$0.isGone }?.name
    }

    /// The checkpoints of all machines from which now grew.
    var wholesAbove: Set<Int> {
        var wholes: Set<Int> = []
        var current: Int? = now
        while let index = current {
            if let whole = moments[index].whole, !moments[index].isGone { wholes.insert(whole) }
            current = moments[index].parent
        }
        return wholes
    }

    /// Makes now equal to the moment from which it grew, and tells which that was; nil when there is none.
    mutating func revert() -> Moment? {
        guard let index = standing(now) else { return nil }
        takeOver(index)
        return moments[index]
    }

    private mutating func takeOver(_ index: Int) {
        moments[index].isApplied = true
        states = moments[index].states
        hardware = moments[index].hardware
        now = index
    }

    // MARK: The forecast

    /// What becomes of the machine and its checkpoints.
    var forecast: MachineForecast {
        MachineForecast(machine: name, fate: start.fate, before: before, after: after)
    }

    private var before: PlannedTree {
        guard let existing = start.existing else { return PlannedTree() }
        let doomed = Set(start.doomed.map(\.id))
        return existing.tree.listed.planned(without: []) { doomed.contains($0) ? [.delete] : [] }
    }

    private var after: PlannedTree {
        var tree = PlannedTree()
        if start.fate == .returnToOrigin, let existing = start.existing {
            tree = existing.tree.listed.planned(without: Set(start.doomed.map(\.id))) { _ in [] }
        }
        var places: [Int: Int] = [:]
        for (index, moment) in moments.enumerated() {
            guard let name = moment.name, !moment.isGone else { continue }
            places[index] = tree.checkpoints.count
            tree.checkpoints.append(
                PlannedTree.Checkpoint(
                    name: name, parent: standing(moment.parent).flatMap { places[$0] },
                    hasMemory: moment.states != [.off], marks: moment.isApplied ? [.create, .apply] : [.create]))
        }
        tree.now = standing(now).flatMap { places[$0] }
        return tree
    }
}

extension CheckpointTree {
    /// The tree as a forecast shows it, without some checkpoints, whose children hang from what is left above.
    fileprivate func planned(without gone: Set<GUID>, marks: (GUID) -> Set<PlannedTree.Mark>) -> PlannedTree {
        var tree = PlannedTree()
        var places: [GUID: Int] = [:]
        for checkpoint in parentsFirst {
            let parent = checkpoint.parent.flatMap { places[$0] }
            guard !gone.contains(checkpoint.id) else {
                places[checkpoint.id] = parent
                continue
            }
            places[checkpoint.id] = tree.checkpoints.count
            tree.checkpoints.append(
                PlannedTree.Checkpoint(
                    name: checkpoint.name, parent: parent, hasMemory: checkpoint.hasMemory,
                    marks: marks(checkpoint.id)))
        }
        tree.now = now.flatMap { places[$0] }
        return tree
    }
}

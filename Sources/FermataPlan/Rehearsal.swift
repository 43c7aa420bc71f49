// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import Hashing

/// Goes through a recipe's steps as a run would, and notes what no run could do.
///
/// For each machine it keeps the set of states in which it may be; a mistake is what no such state allows. After a
/// mistake it goes on as if the author had meant what the step needs, so that one mistake is told once. What a guest
/// does by itself is not rehearsed: a machine whose guest powers it off still wants a ShutDown before its next Start.
struct Rehearsal {
    let recipe: Recipe
    var machines: [RehearsedMachine]
    private(set) var operations: [Operation] = []
    /// The folders that the run has made so far, with the step that made each.
    var made: [String: Place] = [:]
    let folders: [String: Inventory.Folder]
    /// The names of the checkpoints of all machines, by their numbers.
    var wholes: [CheckpointName] = []
    private(set) var indices: [MachineName: Int]
    /// What there is of the machines that steps make.
    private let forks: [MachineName: MachineStart]

    init(recipe: Recipe, starts: [MachineStart], forks: [MachineStart], folders: [String: Inventory.Folder]) {
        self.recipe = recipe
        self.folders = folders
        self.forks = Dictionary(forks.map { ($0.definition.name, $0) }, uniquingKeysWith: { first, _ in first })
        machines = starts.map { RehearsedMachine($0) }
        indices = Dictionary(
            starts.enumerated().map { ($0.element.definition.name, $0.offset) }, uniquingKeysWith: { first, _ in first }
        )
    }

    mutating func run(_ findings: inout Findings) {
        for (index, step) in recipe.steps.enumerated() {
            let place = Place(at: step.at, step: index + 1)
            TextCheck(place: place).check(step.action, &findings)
            let kind: Operation.Kind
            if step.action.machine == nil, machines.count > 1 {
                kind = .together(rehearseTogether(step.action, place, &findings))
            } else {
                guard let machine = machine(of: step.action, place, &findings) else {
                    // Whoever uses the fork afterwards has made no mistake.
                    if case .fork(let name, _, _) = step.action { add(name, of: nil, at: nil, place) }
                    continue
                }
                kind = rehearse(step.action, machine, place, &findings)
            }
            operations.append(Operation(kind, phase: .step(index + 1), at: step.at))
        }
    }

    /// The operations that end the run; what a step has saved stays saved.
    func ending(_ atEnd: Plan.AtEnd) -> [Operation] {
        machines.filter(\.mayRun).map { machine in
            let kind: Operation.Kind =
                switch atEnd {
                case .off: .turnOff(machine.name)
                case .saved: .save(machine.name)
                }
            return Operation(kind, phase: .end, at: machine.start.definition.at)
        }
    }

    /// The space that the run takes besides the guests' own writes.
    func space(_ atEnd: Plan.AtEnd) -> Plan.SpaceNeed {
        var files: [String: ByteSize] = [:]
        for machine in machines where machine.start.fate != .returnToOrigin {
            for file in machine.start.new.files { files[file.digest.description] = file.size }
        }
        let least = files.values.reduce(ByteSize(bytes: 0)) { $0.adding($1) }
        let most = machines.reduce(least) { sum, machine in
            var memories = machine.moments.filter { !$0.isGone && $0.states != [.off] }.map(\.hardware)
            if machine.wasSaved || (atEnd == .saved && machine.mayRun) { memories.append(machine.hardware) }
            return memories.reduce(sum) { $0.adding(($1 ?? machine.start.definition).memory) }
        }
        return Plan.SpaceNeed(least: least, most: most)
    }

    /// The index of the machine that a step is about.
    private func machine(of action: Action, _ place: Place, _ findings: inout Findings) -> Int? {
        if let name = action.machine {
            if let index = indices[name] { return index }
            findings.error(
                .unknownMachine, place, "no machine \(name.quoted) in this recipe",
                suggestion: hint(forMachine: name, after: place) ?? meant(name, among: machines.map(\.name)))
            return nil
        }
        if machines.count == 1 { return 0 }
        findings.error(.unknownMachine, place, "\(action.word) needs a machine, and the recipe defines none")
        return nil
    }

    mutating func rehearse(
        _ action: Action, _ index: Int, _ place: Place, _ findings: inout Findings
    ) -> Operation.Kind {
        let name = machines[index].name
        if let rule = PowerRule(of: action) { change(rule, action, index, place, &findings) }
        switch action {
        case .start: return .start(name)
        case .shutDown(_, let within, let orElse): return .shutDown(name, within: within, orElse: orElse)
        case .turnOff: return .turnOff(name)
        case .pause: return .pause(name)
        case .resume: return .resume(name)
        case .save:
            machines[index].wasSaved = true
            return .save(name)
        case .reset: return .reset(name)
        case .waitForReboot(_, let within): return .waitForReboot(name, within: within)
        case .waitForConsole(_, let text, let within): return .waitForConsole(name, text, within: within)
        case .run(_, let command, let expect, let within):
            return .run(name, command, expect: expect, within: within)
        case .type(_, let text): return .type(name, text)
        case .checkpoint(let checkpoint, _, let replace, let notes, let kind):
            let replacing = hold(checkpoint, kind, replace: replace, index, place, &findings)
            return .checkpoint(newCheckpoint(checkpoint, kind, index, replacing: replacing, notes: notes))
        case .revert:
            let target = machines[index].revert()
            if target == nil { noCheckpoint(index, "to which it could revert", place, &findings) }
            machines[index].since = place.at
            return .revert(name, to: target?.name)
        case .apply(let checkpoint, _):
            apply(checkpoint, index, place, &findings)
            return .apply(checkpoint, of: name)
        case .deleteCheckpoint(let checkpoint, _, let scope):
            if !machines[index].delete(checkpoint, scope) { unknown(checkpoint, index, place, &findings) }
            return .deleteCheckpoint(checkpoint, of: name, scope)
        case .renameCheckpoint(let checkpoint, _, let new):
            rename(checkpoint, to: new, index, place, &findings)
            return .renameCheckpoint(checkpoint, of: name, to: new)
        case .exportCheckpoint(let checkpoint, _, let folder, let flattened, let memory):
            export(checkpoint, index, to: folder, memory: memory, place, &findings)
            return .exportCheckpoint(checkpoint, of: name, to: folder, flattened: flattened, withMemory: memory)
        case .fork(let new, _, let checkpoint):
            return .fork(fork(new, index, from: checkpoint, place, &findings))
        case .change(_, let change):
            machines[index].change(change, at: place, &findings)
            return .change(name, change)
        case .attach(_, let disk):
            machines[index].attach(disk, at: place, &findings)
            return .attach(name, disk)
        case .detach(_, let disk):
            machines[index].detach(disk, at: place, &findings)
            return .detach(name, disk: disk)
        }
    }

    func newCheckpoint(
        _ name: CheckpointName, _ kind: Action.CheckpointKind, _ index: Int, replacing: Bool, notes: String?
    ) -> NewCheckpoint {
        let machine = machines[index]
        return NewCheckpoint(
            name: name, machine: machine.name, replacing: replacing, notes: notes, owner: machine.start.new.owner,
            withMemory: kind == .standard && machine.states != [.off], kind: kind)
    }

    /// Makes a machine known from here on, which begins at a moment of another; of nobody knows which after a mistake.
    mutating func add(
        _ name: MachineName, of source: RehearsedMachine?, at moment: RehearsedMachine.Moment?, _ place: Place
    ) {
        guard indices[name] == nil, var start = forks[name] else { return }
        if let source {
            start.new.definition = moment?.hardware ?? source.hardware ?? source.start.definition
            start.new.definition.name = name
            start.new.definition.at = place.at
            start.new.owner = source.start.new.owner
        }
        indices[name] = machines.count
        machines.append(RehearsedMachine(start, forkedAt: moment, at: place))
    }

    /// Changes a machine's power as a step does; notes a mistake when it cannot be in any state that the step needs.
    private mutating func change(
        _ rule: PowerRule, _ action: Action, _ index: Int, _ place: Place, _ findings: inout Findings
    ) {
        let machine = machines[index]
        let problem = rule.problem(of: action, on: machine.name, in: machine.states, since: machine.since)
        if let problem { findings.error(.wrongState, place, problem.message, suggestion: problem.suggestion) }
        // After a mistake the machine is what the author must have thought it was.
        let before = problem == nil ? machine.states : Set(rule.changes.keys)
        machines[index].states = Set(before.compactMap { rule.changes[$0] })
        if rule.changes.contains(where: { $0.key != $0.value }) { machines[index].since = place.at }
    }

    /// Holds a moment, and tells whether it supersedes one of its name.
    mutating func hold(
        _ name: CheckpointName, _ kind: Action.CheckpointKind, replace: Bool, for whole: Int? = nil, _ index: Int,
        _ place: Place, _ findings: inout Findings
    ) -> Bool {
        checkAllowed(index, place, &findings)
        if whole == nil, let problem = name.problem {
            findings.error(.invalidName, place, "checkpoint name \(name.quoted) \(problem)")
        }
        let old = machines[index].moment(named: name)
        if let old, !replace { duplicate(of: old, index, place, "choose another name, or say replace", &findings) }
        machines[index].hold(name, kind, at: place, for: whole)
        return old != nil
    }

    private func duplicate(
        of old: RehearsedMachine.Moment, _ index: Int, _ place: Place, _ suggestion: String, _ findings: inout Findings
    ) {
        let origin = old.place.at.map { ", made at \($0)" } ?? old.place.step.map { ", made by step \($0)" } ?? ""
        findings.error(
            .duplicateCheckpoint, place,
            "machine \(machines[index].name.quoted) has a checkpoint \(old.name?.quoted ?? "") already\(origin)",
            suggestion: suggestion)
    }

    private mutating func rename(
        _ name: CheckpointName, to new: CheckpointName, _ index: Int, _ place: Place, _ findings: inout Findings
    ) {
        if let problem = new.problem {
            findings.error(.invalidName, place, "checkpoint name \(new.quoted) \(problem)")
        }
        if let old = machines[index].moment(named: new), new != name {
            duplicate(of: old, index, place, "choose another name", &findings)
        }
        if !machines[index].rename(name, to: new) { unknown(name, index, place, &findings) }
    }

    func unknown(_ name: CheckpointName, _ index: Int, _ place: Place, _ findings: inout Findings) {
        let machine = machines[index]
        findings.error(
            .unknownCheckpoint, place, "no checkpoint \(name.quoted) of machine \(machine.name.quoted)",
            suggestion: hint(for: name, of: machine, after: place))
    }

    private mutating func apply(_ name: CheckpointName, _ index: Int, _ place: Place, _ findings: inout Findings) {
        defer { machines[index].since = place.at }
        if machines[index].apply(name) { return }
        unknown(name, index, place, &findings)
        machines[index].states = Set(MachineState.allCases)
        machines[index].hardware = nil
    }

    /// What an author may have meant by a checkpoint that is not there.
    private func hint(for name: CheckpointName, of machine: RehearsedMachine, after place: Place) -> String? {
        let later = recipe.steps.dropFirst(place.step ?? 0).first { step in
            guard case .checkpoint(name, let of, _, _, _) = step.action else { return false }
            return of == machine.name || of == nil
        }
        if let later { return "it is made later" + (later.at.map { ", at \($0)" } ?? "") }
        if machine.start.existing?.tree.checkpoints.contains(where: { $0.name == name && !$0.isOrigin }) == true {
            return "one of that name exists, but a run starts over from the origin and knows only what it made itself"
        }
        return meant(name, among: machine.names)
    }
}

extension ByteSize {
    /// The sum, at most the largest size.
    fileprivate func adding(_ other: ByteSize) -> ByteSize {
        let (sum, overflow) = bytes.addingReportingOverflow(other.bytes)
        return ByteSize(bytes: overflow ? .max : sum)
    }
}

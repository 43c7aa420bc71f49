// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Fermata
import FermataEngine
import FermataExecutor
import FermataModel

/// What `apply` and `revert` have in common.
struct RestoreOptions: ParsableArguments {
    @OptionGroup var discard: DiscardOption
    @OptionGroup var trash: TrashOption

    @Option(help: ArgumentHelp("Hold this moment first, so that nothing is lost.", valueName: "name"))
    var checkpointFirst: String?

    @Flag(help: "Leave the machine paused at the checkpoint's moment.")
    var paused: Bool = false

    @Flag(help: "Leave the machine off, its disks as a power cut at that moment leaves them.")
    var off: Bool = false

    @Flag(help: "Read all of the checkpoint first, as 'checkpoint verify' does, and refuse one that is not as it was.")
    var verify: Bool = false

    /// The state in which the machine is left.
    var ending: RestoreEnding { paused ? .paused : off ? .off : .asCheckpoint }

    mutating func validate() throws {
        if paused, off { throw ValidationError("--paused and --off exclude each other") }
        guard let checkpointFirst, let problem = CheckpointName(checkpointFirst).problem else { return }
        throw ValidationError("The checkpoint name '\(checkpointFirst.shortened(to: 100))' \(problem)")
    }

    /// Makes sure that what is lost may be lost.
    ///
    /// - Parameter subject: what changes, such as `machine 'web'`.
    func requireConsent(_ what: String, to subject: String) throws {
        guard checkpointFirst == nil else { return }
        try discard.require(for: "\(what) discards what \(subject) is now")
    }

    /// Refuses a checkpoint that is not as it was, if that is to be looked at.
    func requireWhole(_ checkpoint: GUID, of record: MachineRecord) throws {
        guard verify, let problem = try record.folder.verify([checkpoint]).first?.problems.first else { return }
        throw ProgramFailure("\(problem); nothing was changed")
    }

    /// Restores a machine, after what is to be kept is kept, and tells how.
    func restore(
        _ record: MachineRecord, _ reading: LabReading, _ body: (MachineHandle) async throws -> RestoreOutcome
    ) async throws {
        let (outcome, state) = try await record.act { machine in
            if let checkpointFirst { try await machine.checkpoint(CheckpointName(checkpointFirst)) }
            return (try await body(machine), try await machine.state)
        }
        guard case .object(var members) = outcome.jsonValue else { return }
        members["state"] = .string(state.rawValue)
        try reading.printOnlyJSON("fermata-restore-outcome", members)
    }

    /// Restores the machines of a lab's checkpoint, after what is to be kept is kept, and tells how.
    func restore(_ checkpoint: LabCheckpoint, of lab: LabFolder, _ reading: LabReading) async throws {
        let names = checkpoint.members.map { "'\($0.name)'" }.joined(separator: ", ")
        try requireConsent("applying checkpoint '\(checkpoint.name)' of the lab", to: "each of the machines \(names)")
        let record = try LabRecord(reading: lab)
        for member in checkpoint.members {
            guard let machine = record.machine(of: member, in: checkpoint) else { continue }
            try requireWhole(member.checkpoint, of: machine)
        }
        if let checkpointFirst {
            try await lab.reachable.checkpoint(CheckpointRequest(name: CheckpointName(checkpointFirst)))
        }
        let outcomes = try await lab.reachable.apply(
            checkpoint.id.description, ending: ending, toTrash: trash.isTrashing
        ).outcomes
        try reading.printOnlyJSON(
            "fermata-restore-outcome",
            [
                "checkpoint": .string(checkpoint.id.description),
                "machines": checkpoint.jsonMachines(
                    outcomes.map { $0.way.map { ["way": .string($0.rawValue)] } ?? [:] }),
            ])
    }
}

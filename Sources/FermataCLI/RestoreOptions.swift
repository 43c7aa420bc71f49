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
    func requireConsent(_ what: String, to machine: MachineName) throws {
        guard checkpointFirst == nil else { return }
        try discard.require(for: "\(what) discards what machine '\(machine)' is now")
    }

    /// Refuses a checkpoint that is not as it was, if that is to be looked at.
    func requireWhole(_ checkpoint: GUID, of record: MachineRecord) throws {
        guard verify, let problem = try record.folder.verify([checkpoint]).first?.problems.first else { return }
        throw ProgramFailure("\(problem); nothing was changed")
    }

    /// Restores, after what is to be kept is kept, and tells how.
    func restore(
        _ action: MachineAction, _ body: (MachineHandle) async throws -> RestoreOutcome
    ) async throws {
        let (outcome, state) = try await action.act { machine in
            if let checkpointFirst { try await machine.checkpoint(CheckpointName(checkpointFirst)) }
            return (try await body(machine), try await machine.state)
        }
        guard case .object(var members) = outcome.jsonValue else { return }
        members["state"] = .string(state.rawValue)
        try action.reading.printOnlyJSON("fermata-restore-outcome", members)
    }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Fermata
import FermataEngine
import FermataExecutor
import FermataModel

/// `fermata checkpoint revert`.
struct CheckpointRevertCommand: AsyncParsableCommand {
    static let configuration: CommandConfiguration = CommandConfiguration(
        commandName: "revert", abstract: "Make a machine's now equal to the checkpoint from which it grew.")

    @OptionGroup var action: MachineAction
    @OptionGroup var restoring: RestoreOptions

    func run() async throws {
        let record = try action.record()
        guard let parent = record.tree.listed.now else {
            throw ProgramFailure(
                "machine '\(record.folder.name)' has no checkpoint to revert to", exitCode: ProgramFailure.wrongUse)
        }
        try restoring.requireConsent("reverting", to: record.folder.name)
        try restoring.requireWhole(parent, of: record)
        // Of what is kept first now would be the child; the checkpoint that was looked at is the one that is meant.
        try await restoring.restore(action) { try await $0.control.apply(parent, ending: restoring.ending) }
    }
}

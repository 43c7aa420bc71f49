// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Fermata
import FermataEngine
import FermataExecutor
import FermataModel

/// `fermata checkpoint apply`.
struct CheckpointApplyCommand: AsyncParsableCommand {
    static let configuration: CommandConfiguration = CommandConfiguration(
        commandName: "apply", abstract: "Make a machine's now equal to a checkpoint.",
        discussion: "The machine takes the checkpoint's power state, and its next checkpoint branches there.")

    @OptionGroup var action: MachineAction

    @Argument(help: "The checkpoint: its name, its id, or a path such as root/child.")
    var checkpoint: String

    @OptionGroup var restoring: RestoreOptions

    func run() async throws {
        let record = try action.record()
        let checkpoint = try record.checkpoint(checkpoint)
        try restoring.requireConsent("applying checkpoint '\(checkpoint.name)'", to: record.folder.name)
        try restoring.requireWhole(checkpoint.id, of: record)
        try await restoring.restore(action) { try await $0.control.apply(checkpoint.id, ending: restoring.ending) }
    }
}

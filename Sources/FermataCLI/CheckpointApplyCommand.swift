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
        commandName: "apply", abstract: "Make a machine's now, or the whole lab's, equal to a checkpoint.",
        discussion: """
            The machine takes the checkpoint's power state, and its next checkpoint branches there. With --all it is that \
            of every machine of a checkpoint of the lab, at one moment; machines that it does not hold stay as they are.
            """)

    @OptionGroup var action: CheckpointAction
    @OptionGroup var restoring: RestoreOptions

    func run() async throws {
        switch try action.subject() {
        case .lab(let lab, let text):
            let checkpoint = try LabRecord(reading: lab).checkpoint(text)
            try await restoring.restore(checkpoint, of: lab, action.reading)
        case .machine(let record, let text):
            let checkpoint = try record.checkpoint(text)
            try restoring.requireConsent(
                "applying checkpoint '\(checkpoint.name)'", to: "machine '\(record.folder.name)'")
            try restoring.requireWhole(checkpoint.id, of: record)
            try await restoring.restore(record, action.reading) {
                try await $0.control.apply(
                    checkpoint.id, ending: restoring.ending, toTrash: restoring.trash.isTrashing)
            }
        }
    }
}

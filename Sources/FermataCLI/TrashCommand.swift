// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser

/// `fermata trash`.
struct TrashCommand: AsyncParsableCommand {
    static let configuration: CommandConfiguration = CommandConfiguration(
        commandName: "trash", abstract: "Look at what was discarded, and bring it back.",
        discussion: """
            Checkpoints and machines that are deleted, and what a machine was before a checkpoint was applied, go to the \
            trash, and stay there until 'fermata gc' or the lab's budget takes them.
            """,
        subcommands: [TrashListCommand.self, TrashRestoreCommand.self])
}

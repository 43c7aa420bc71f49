// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser

/// `fermata checkpoint`, also `fermata snapshot`.
struct CheckpointCommand: AsyncParsableCommand {
    static let configuration: CommandConfiguration = CommandConfiguration(
        commandName: "checkpoint", abstract: "Hold moments of machines, come back to them, and look at them.",
        subcommands: [
            CheckpointCreateCommand.self, CheckpointApplyCommand.self, CheckpointRevertCommand.self,
            CheckpointDeleteCommand.self, CheckpointRenameCommand.self, CheckpointExportCommand.self,
            CheckpointImportCommand.self,
            CheckpointListCommand.self, CheckpointTreeCommand.self, CheckpointShowCommand.self,
            CheckpointDiffCommand.self, CheckpointVerifyCommand.self,
        ],
        aliases: ["snapshot"])
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser

/// `fermata vm`.
struct MachineCommand: AsyncParsableCommand {
    static let configuration: CommandConfiguration = CommandConfiguration(
        commandName: "vm", abstract: "Make machines, look at them, and act on them.",
        subcommands: [
            MachineCreateCommand.self, MachineListCommand.self, MachineShowCommand.self, MachineStartCommand.self,
            MachineShutDownCommand.self, MachineTurnOffCommand.self, MachinePauseCommand.self,
            MachineResumeCommand.self, MachineSaveCommand.self, MachineResetCommand.self, MachineSetCommand.self,
            MachineRenameCommand.self, MachineForkCommand.self, MachineExportCommand.self, MachinePromoteCommand.self,
            MachineMergeCommand.self,
            MachineDeleteCommand.self, MachineExecuteCommand.self,
            MachineConsoleCommand.self, MachineLogCommand.self,
            MachineHostCommand.self,
        ])
}

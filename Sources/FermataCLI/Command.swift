// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Fermata

/// The command `fermata`.
@main struct Command: AsyncParsableCommand {
    static let configuration: CommandConfiguration = CommandConfiguration(
        commandName: "fermata",
        abstract: "Hold any machine of a lab still at any moment, and be back there milliseconds later.",
        subcommands: [
            RunCommand.self, PlanCommand.self, MachineCommand.self, CheckpointCommand.self, DiskCommand.self,
            TrashCommand.self, CollectCommand.self, DoctorCommand.self,
        ])

    static func main() async {
        await ProgramEntry.run(Command.self)
    }
}

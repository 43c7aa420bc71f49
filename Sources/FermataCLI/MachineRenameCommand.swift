// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Fermata
import FermataModel

/// `fermata vm rename`.
struct MachineRenameCommand: AsyncParsableCommand {
    static let configuration: CommandConfiguration = CommandConfiguration(
        commandName: "rename", abstract: "Give a machine another name.",
        discussion: """
            The machine's folder gets the name; its identity, its checkpoints and the files of its disks stay what they \
            are. A machine that runs or is paused is refused.
            """)

    @OptionGroup var action: MachineAction

    @Argument(help: ArgumentHelp("The new name.", valueName: "new"))
    var newName: String

    func run() async throws {
        let record = try action.record()
        let name = MachineName(newName)
        if let problem = name.problem {
            throw ProgramFailure("the machine name '\(name)' \(problem)", exitCode: ProgramFailure.wrongUse)
        }
        let lab = record.folder.lab
        try await lab.reachable.rename(record.folder.name, to: name)
        try action.reading.printOnlyJSON(record.stateAtRest, of: MachineRecord(reading: lab.machine(name)))
    }
}

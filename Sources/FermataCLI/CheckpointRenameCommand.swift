// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Fermata
import FermataEngine
import FermataExecutor
import FermataModel

/// `fermata checkpoint rename`.
struct CheckpointRenameCommand: AsyncParsableCommand {
    static let configuration: CommandConfiguration = CommandConfiguration(
        commandName: "rename", abstract: "Give a checkpoint another name, or other notes.")

    @OptionGroup var action: MachineAction

    @Argument(help: "The checkpoint: its name, its id, or a path such as root/child.")
    var checkpoint: String

    @Argument(help: ArgumentHelp("The new name; may be left out with --notes.", valueName: "new"))
    var newName: String?

    @Option(help: ArgumentHelp("What is to be remembered of it; nothing for an empty text.", valueName: "text"))
    var notes: String?

    mutating func validate() throws {
        if newName == nil, notes == nil { throw ValidationError("Say the new name, or --notes") }
    }

    func run() async throws {
        let record = try action.record()
        let checkpoint = try record.checkpoint(checkpoint)
        let name = newName.map { CheckpointName($0) }
        if let newName, let problem = name?.problem {
            throw ProgramFailure(
                "the checkpoint name '\(newName.shortened(to: 100))' \(problem)", exitCode: ProgramFailure.wrongUse)
        }
        try await action.act { (machine) async throws in
            try await machine.control.change(checkpoint.id, name: name, notes: notes)
        }
    }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Fermata
import FermataEngine
import FermataExecutor
import FermataModel
import Foundation
import SystemPackage

/// `fermata checkpoint export`.
struct CheckpointExportCommand: AsyncParsableCommand {
    static let configuration: CommandConfiguration = CommandConfiguration(
        commandName: "export", abstract: "Write a checkpoint to a new folder that needs nothing outside of it.",
        discussion: """
            The folder is a machine's in the layout of the lab: its configuration, its disks with all their parents, its \
            boot files. 'checkpoint import' makes a machine of it, here or elsewhere.
            """)

    @OptionGroup var action: MachineAction

    @Argument(help: "The checkpoint: its name, its id, or a path such as root/child.")
    var checkpoint: String

    @Argument(help: ArgumentHelp("The new folder, outside of the lab.", valueName: "folder"), completion: .directory)
    var place: String

    @Flag(help: "Write each disk as one file; else its chain is copied file by file.")
    var flatten: Bool = false

    @Flag(help: "Write the checkpoint's memory and devices, too: the machine goes on from there.")
    var memory: Bool = false

    func run() async throws {
        let record = try action.record()
        let checkpoint = try record.checkpoint(checkpoint)
        guard !place.isEmpty else {
            throw ProgramFailure("the folder's name is empty", exitCode: ProgramFailure.wrongUse)
        }
        _ = try await action.act { (machine) async throws -> MachineState in
            try await machine.export(
                checkpoint.id.description, to: FilePath(place), flattened: flatten, withMemory: memory)
            return try await machine.state
        }
        try action.reading.printOnlyJSON(
            "fermata-export",
            ["checkpoint": .string(checkpoint.id.description), "path": .string(FilePath(place).absolute.string)])
    }
}

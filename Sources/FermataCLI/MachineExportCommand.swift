// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Fermata
import FermataEngine
import FermataExecutor
import FermataModel
import Foundation
import SystemPackage

/// `fermata vm export`.
struct MachineExportCommand: AsyncParsableCommand {
    static let configuration: CommandConfiguration = CommandConfiguration(
        commandName: "export",
        abstract: "Write a machine with all its checkpoints to a new folder that needs nothing outside of it.",
        discussion: """
            The machine must be off or saved. 'checkpoint import' makes a machine of the folder, with all its checkpoints, \
            here or elsewhere.
            """)

    @OptionGroup var action: MachineAction

    @Argument(help: ArgumentHelp("The new folder, outside of the lab.", valueName: "folder"), completion: .directory)
    var place: String

    @Flag(help: "Write what is held of memory and devices, too; else every checkpoint is of its disks alone.")
    var memory: Bool = false

    func run() async throws {
        guard !place.isEmpty else {
            throw ProgramFailure("the folder's name is empty", exitCode: ProgramFailure.wrongUse)
        }
        let record = try action.record()
        _ = try await action.act { (machine) async throws -> MachineState in
            try await machine.export(to: FilePath(place), withMemory: memory)
            return try await machine.state
        }
        try action.reading.printOnlyJSON(
            "fermata-export",
            ["machine": .string(record.id.description), "path": .string(FilePath(place).absolute.string)])
    }
}

extension FilePath {
    /// The path from the root on.
    var absolute: FilePath {
        FilePath(FileManager.default.currentDirectoryPath).pushing(self).lexicallyNormalized()
    }
}

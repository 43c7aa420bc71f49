// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Fermata
import FermataEngine
import FermataExecutor
import FermataModel

/// `fermata checkpoint tree`.
struct CheckpointTreeCommand: AsyncParsableCommand {
    static let configuration: CommandConfiguration = CommandConfiguration(
        commandName: "tree", abstract: "Draw a machine's checkpoints, and where now is.")
    static let format: String = "fermata-checkpoints"

    @Argument(help: "The machine.")
    var name: String

    @OptionGroup var reading: LabReading

    func run() async throws {
        let record = try reading.machine(name)
        try reading.print(Self.format, record.treeMembers, text: record.tree.drawing(of: record.folder.name))
    }
}

extension MachineRecord {
    /// The members of a document about the machine's checkpoints.
    var treeMembers: [String: JSON] {
        tree.jsonMembers.merging(["machine": .string(folder.name.description)]) { $1 }
    }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Fermata
import FermataEngine
import FermataExecutor
import FermataModel

/// `fermata checkpoint list`.
struct CheckpointListCommand: AsyncParsableCommand {
    static let configuration: CommandConfiguration = CommandConfiguration(
        commandName: "list", abstract: "List a machine's checkpoints, oldest first.")

    @Argument(help: "The machine.")
    var name: String

    @OptionGroup var reading: LabReading

    func run() async throws {
        let record = try reading.machine(name)
        let tree = record.tree.listed
        let rows = tree.checkpoints.map { checkpoint in
            [
                checkpoint.id == tree.now ? "*" : " ", checkpoint.name.description, checkpoint.timeForPeople,
                ByteSize(bytes: record.ownBytes(of: checkpoint.id)).description,
                checkpoint.contents ?? "", checkpoint.notes?.shortened(to: 100) ?? "",
            ]
        }
        try reading.print(CheckpointTreeCommand.format, record.treeMembers, text: table(rows))
    }
}

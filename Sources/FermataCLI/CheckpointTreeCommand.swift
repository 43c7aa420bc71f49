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
        try reading.print(Self.format, record.treeMembers, text: record.drawing)
    }
}

extension MachineRecord {
    /// The members of a document about the machine's checkpoints.
    var treeMembers: [String: JSON] {
        var members = tree.jsonMembers
        members["machine"] = .string(folder.name.description)
        members["checkpoints"] = .array(
            tree.listed.checkpoints.map { checkpoint in
                .object(checkpoint.jsonMembers.merging(["bytes": .integer(ownBytes(of: checkpoint.id))]) { $1 })
            })
        return members
    }

    /// The tree with the checkpoints' own sizes.
    fileprivate var drawing: String {
        tree.drawing(of: folder.name) { "  \(ByteSize(bytes: ownBytes(of: $0.id)))" }
    }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Fermata
import FermataEngine
import FermataExecutor
import FermataModel

/// `fermata checkpoint delete`.
struct CheckpointDeleteCommand: AsyncParsableCommand {
    static let configuration: CommandConfiguration = CommandConfiguration(
        commandName: "delete", abstract: "Forget a checkpoint of a machine, or of the whole lab.",
        discussion: """
            Every other checkpoint and the machine's now stay exactly as they were. The checkpoint goes to the lab's trash, \
            from which 'fermata trash restore' brings it back. When it goes from there, or without a trash, its memory \
            goes, and its disks are merged away, beside the machine if that runs; those that several others still read \
            through stay until one is left. With --all it is a checkpoint of the lab \
            that goes, for good, with each machine's part of it.
            """,
        aliases: ["rm"])

    @OptionGroup var action: CheckpointAction

    @Flag(help: "Forget everything that grew from it, too.")
    var subtree: Bool = false

    @Flag(help: "Forget everything that grew from it, but not the checkpoint itself.")
    var children: Bool = false

    @OptionGroup var discard: DiscardOption
    @OptionGroup var trash: TrashOption

    mutating func validate() throws {
        if subtree, children { throw ValidationError("--subtree and --children exclude each other") }
        if action.lab.all, subtree || children {
            throw ValidationError(
                "--all forgets one checkpoint of the lab; --subtree and --children are of one machine")
        }
    }

    func run() async throws {
        switch try action.subject() {
        case .lab(let lab, let text):
            let checkpoint = try LabRecord(reading: lab).checkpoint(text)
            try await lab.reachable.deleteCheckpoint(checkpoint.id.description)
            try tell([["id": .string(checkpoint.id.description), "name": .string(checkpoint.name.description)]])
        case .machine(let record, let text): try await delete(record.checkpoint(text), of: record)
        }
    }

    private func delete(_ checkpoint: CheckpointTree.Checkpoint, of record: MachineRecord) async throws {
        let tree = record.tree
        let below = subtree || children ? tree.descendants(of: checkpoint.id) : []
        let deleted = (children ? [] : [checkpoint]) + below
        if subtree || children, !deleted.isEmpty {
            let names = deleted.prefix(5).map { "'\($0.name)'" }.joined(separator: ", ")
            let more = deleted.count > 5 ? " and \(deleted.count - 5) more" : ""
            try discard.require(for: "this forgets \(names)\(more) of machine '\(record.folder.name)'")
        }
        if !deleted.isEmpty {
            try await record.act { (machine) async throws in
                try await machine.control.delete(deleted.map(\.id), toTrash: trash.isTrashing)
            }
        }
        try tell(deleted.map { ["id": .string($0.id.description), "name": .string($0.name.description)] })
    }

    private func tell(_ deleted: [JSON]) throws {
        try action.reading.printOnlyJSON("fermata-deletion", ["deleted": .array(deleted)])
    }
}

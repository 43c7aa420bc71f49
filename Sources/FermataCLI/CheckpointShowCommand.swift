// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Fermata
import FermataEngine
import FermataExecutor
import FermataModel
import SystemPackage
import VirtualDisk

/// `fermata checkpoint show`.
struct CheckpointShowCommand: AsyncParsableCommand {
    static let configuration: CommandConfiguration = CommandConfiguration(
        commandName: "show", abstract: "Show a checkpoint and the files of its disks.")

    @Argument(help: "The machine.")
    var name: String

    @Argument(help: "The checkpoint: its name, its id, or a path such as root/child.")
    var checkpoint: String

    @OptionGroup var reading: LabReading

    func run() async throws {
        let record = try reading.machine(name)
        let checkpoint = try record.checkpoint(checkpoint)
        guard let configuration = record.checkpoints[checkpoint.id] else { return }
        let disks = try record.diskFiles(of: configuration)
        var members = checkpoint.jsonMembers
        members["machine"] = .string(record.folder.name.description)
        members["bytes"] = .integer(record.ownBytes(of: checkpoint.id))
        members["disks"] = .array(disks.map(\.jsonValue))
        members["digest"] =
            configuration.isDigestPending
            ? "pending"
            : .object(
                Dictionary(
                    zip(configuration.disks.map(\.name), configuration.digests ?? []).map {
                        ($0, .string($1.description))
                    }, uniquingKeysWith: { first, _ in first }))
        members["recipe"] = checkpoint.owner.map { .string($0.recipe) }
        try reading.print("fermata-checkpoint", members, text: text(checkpoint, of: record, disks))
    }

    private func text(
        _ checkpoint: CheckpointTree.Checkpoint, of record: MachineRecord, _ disks: [DiskFile]
    ) -> String {
        let tree = record.tree.listed
        var rows = [
            ["name", checkpoint.name.description.shortened(to: 100)], ["id", checkpoint.id.description],
            ["time", checkpoint.timeForPeople], ["kind", checkpoint.kind.rawValue],
            ["memory", checkpoint.hasMemory ? "yes" : "no"],
            ["own size", ByteSize(bytes: record.ownBytes(of: checkpoint.id)).description],
            ["parent", checkpoint.parent.flatMap { tree[$0] }?.name.description.shortened(to: 100) ?? "none"],
        ]
        if let notes = checkpoint.notes { rows.append(["notes", notes.shortened(to: 400)]) }
        if let owner = checkpoint.owner { rows.append(["recipe", owner.recipe.shortened(to: 100)]) }
        for disk in disks {
            for (index, path) in disk.chain.enumerated() {
                rows.append([index == 0 ? "disk \(disk.name)" : "", path.string])
            }
        }
        return table(rows)
    }
}

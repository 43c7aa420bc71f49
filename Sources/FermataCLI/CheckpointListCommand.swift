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
        commandName: "list", abstract: "List a machine's checkpoints, or with --all those of the lab, oldest first.")

    @Argument(help: "The machine; with --all there is none.")
    var name: String?

    @OptionGroup var lab: WholeLabOption
    @OptionGroup var reading: LabReading

    mutating func validate() throws {
        if lab.all, let name {
            throw ValidationError("--all is of all machines: leave out '\(name.shortened(to: 100))'")
        }
        if !lab.all, name == nil { throw ValidationError("Missing expected argument '<name>'") }
    }

    func run() async throws {
        guard let name else { return try list(reading.lab()) }
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

    private func list(_ lab: LabFolder) throws {
        let record = try LabRecord(reading: lab)
        let parent = record.parent?.id
        let rows = record.checkpoints.map { checkpoint in
            let missing = record.missing(of: checkpoint)
            let machines = checkpoint.members.map { member in
                guard !missing.contains(member) else { return "\(member.name) (gone)" }
                return (record.machine(of: member, in: checkpoint)?.folder.name ?? member.name).description
            }
            return [
                checkpoint.id == parent ? "*" : " ", checkpoint.name.description, checkpoint.timeForPeople,
                machines.joined(separator: ", "), checkpoint.notes?.shortened(to: 100) ?? "",
            ]
        }
        let documents = record.checkpoints.map { checkpoint in
            let missing = record.missing(of: checkpoint)
            var members: [String: JSON] = [
                "id": .string(checkpoint.id.description), "name": .string(checkpoint.name.description),
                "time": .string(checkpoint.timeText),
                "machines": checkpoint.jsonMachines(
                    checkpoint.members.map { member in
                        let name = record.machine(of: member, in: checkpoint)?.folder.name ?? member.name
                        return ["missing": .bool(missing.contains(member)), "name": .string(name.description)]
                    }),
            ]
            members["notes"] = checkpoint.notes.map { .string($0) }
            return JSON.object(members)
        }
        try reading.print(
            "fermata-lab-checkpoints",
            ["checkpoints": .array(documents), "now": ["parent": parent.map { .string($0.description) } ?? .null]],
            text: table(rows))
    }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Fermata
import FermataEngine
import FermataExecutor
import FermataModel

/// `fermata checkpoint diff`.
struct CheckpointDiffCommand: AsyncParsableCommand {
    static let configuration: CommandConfiguration = CommandConfiguration(
        commandName: "diff", abstract: "Tell in what two checkpoints differ, or a checkpoint and now.",
        discussion: "Configuration, the bytes of each disk, and the pages of memory if both have some.")

    @Argument(help: "The machine.")
    var name: String

    @Argument(help: "A checkpoint: its name, its id, or a path such as root/child.")
    var first: String

    @Argument(help: "The other checkpoint; now when it is left out, and the machine is off or saved.")
    var second: String?

    @OptionGroup var reading: LabReading

    func run() async throws {
        let record = try reading.machine(name)
        let one = try record.checkpoint(first)
        let other = try second.map { text throws(EngineError) in try record.checkpoint(text) }
        if other == nil { try await refuseProcess(of: record) }
        let difference = try record.difference(of: one.id, from: other?.id)
        // What was started meanwhile may have been read half-written.
        if other == nil { try await refuseProcess(of: record) }
        try reading.print(
            "fermata-checkpoint-diff", members(difference, record, one, other), text: text(difference))
    }

    /// A machine that has a process keeps some of now in memory, and changes it while it is read.
    private func refuseProcess(of record: MachineRecord) async throws {
        let state = try await record.folder.lab.reachable.status(of: record.folder.name).state
        guard state == .running || state == .paused else { return }
        throw EngineError(
            .wrongState,
            "machine '\(record.folder.name)' is \(state.rawValue), so its now cannot be compared; make a checkpoint of "
                + "it and compare that, or save the machine first")
    }

    private func members(
        _ difference: MomentDifference, _ record: MachineRecord, _ one: CheckpointTree.Checkpoint,
        _ other: CheckpointTree.Checkpoint?
    ) -> [String: JSON] {
        var members: [String: JSON] = [
            "machine": .string(record.folder.name.description), "same": .bool(difference.isEmpty),
            "first": .string(one.id.description), "second": other.map { .string($0.id.description) } ?? .null,
            "configuration": .array(
                difference.configuration.map { field in
                    .members([
                        "field": .string(field.name), "first": field.first.map { .string($0) },
                        "second": field.second.map { .string($0) },
                    ])
                }),
            "disks": .array(
                difference.disks.map { disk in
                    .members([
                        "name": .string(disk.name), "bytes": .integer(disk.bytes),
                        "extents": .array(
                            disk.extents.map { extent in
                                .members([
                                    "start": .integer(extent.lowerBound), "length": .integer(UInt64(extent.count)),
                                ])
                            }),
                    ])
                }),
        ]
        members["pages"] = difference.pages.map { .integer(UInt64($0)) }
        return members
    }

    private func text(_ difference: MomentDifference) -> String {
        guard !difference.isEmpty else { return "they are alike" }
        var rows = difference.configuration.map { field in
            [
                field.name,
                "\((field.first ?? "none").shortened(to: 400)) -> \((field.second ?? "none").shortened(to: 400))",
            ]
        }
        for disk in difference.disks {
            let unit = disk.extents.count == 1 ? "extent" : "extents"
            rows.append(["disk \(disk.name)", "\(disk.bytes) bytes in \(disk.extents.count) \(unit)"])
            rows += disk.extents.map { ["", "\($0.lowerBound) +\($0.count)"] }
        }
        if let pages = difference.pages, pages > 0 { rows.append(["memory", "\(pages) pages of 4 KiB"]) }
        return table(rows)
    }
}

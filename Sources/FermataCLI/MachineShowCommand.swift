// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Fermata
import FermataEngine
import FermataExecutor
import FermataModel
import SystemPackage

/// `fermata vm show`.
struct MachineShowCommand: AsyncParsableCommand {
    static let configuration: CommandConfiguration = CommandConfiguration(
        commandName: "show", abstract: "Show a machine: its state, its hardware, and the files of its disks.")

    @Argument(help: "The machine.")
    var name: String

    @OptionGroup var reading: LabReading

    func run() async throws {
        let record = try reading.machine(name)
        let status = try await record.folder.lab.reachable.status(of: record.folder.name)
        let disks = try record.diskFiles(of: record.now)
        let tree = record.tree.listed
        var members: [String: JSON] = [
            "id": .string(record.id.description),
            "name": .string(record.folder.name.description),
            "state": .string(status.state.rawValue),
            "memory": .integer(record.now.memory),
            "processors": .integer(record.now.processors),
            "disks": .array(disks.map(\.jsonValue)),
            "now": ["parent": tree.now.map { .string($0.description) } ?? .null],
            "path": .string(record.folder.path.string),
        ]
        members["boot"] = record.now.boot.map { boot in
            .members([
                "kernel": .string(file(boot.kernel, of: record)),
                "initrd": boot.initrd.map { .string(file($0, of: record)) },
                "arguments": .string(boot.arguments),
            ])
        }
        members["reason"] = status.reason.map { .string($0) }
        members["activity"] = status.activity.map { .string($0) }
        members["clock"] = .string(record.now.clock.rawValue)
        members["checkpoints"] = .string(record.policy.rawValue)
        members["network"] = record.now.devices.networkAddress.map { ["address": .string($0)] }
        members["notes"] = record.now.notes.map { .string($0) }
        members["recipe"] = record.now.owner.map { .string($0.recipe) }
        try reading.print("fermata-machine", members, text: text(record, status, tree, disks))
    }

    private func file(_ digest: String, of record: MachineRecord) -> String {
        record.folder.lab.boot.appending(digest).string
    }

    private func text(
        _ record: MachineRecord, _ status: MachineStatus, _ tree: CheckpointTree, _ disks: [DiskFile]
    ) -> String {
        var rows = [
            ["name", record.folder.name.description], ["id", record.id.description],
            ["state", status.sentence], ["memory", ByteSize(bytes: record.now.memory).description],
            ["processors", "\(record.now.processors)"],
        ]
        if let boot = record.now.boot {
            rows.append(["kernel", file(boot.kernel, of: record)])
            if let initrd = boot.initrd { rows.append(["initrd", file(initrd, of: record)]) }
            rows.append(["arguments", boot.arguments.shortened(to: 400)])
        }
        if let address = record.now.devices.networkAddress { rows.append(["network", address]) }
        if record.now.clock != .continue { rows.append(["clock", record.now.clock.rawValue]) }
        if record.policy != .allowed { rows.append(["checkpoints", record.policy.rawValue]) }
        if let notes = record.now.notes { rows.append(["notes", notes.shortened(to: 400)]) }
        if let owner = record.now.owner { rows.append(["recipe", owner.recipe.shortened(to: 100)]) }
        let parent = tree.now.flatMap { tree[$0] }?.name
        rows.append(["now", parent.map { "grows from '\($0)'" } ?? "grows from no checkpoint"])
        for disk in disks {
            for (index, path) in disk.chain.enumerated() {
                rows.append([index == 0 ? "disk \(disk.name)" : "", path.string])
            }
        }
        return table(rows)
    }
}

extension MachineRecord {
    fileprivate var policy: CheckpointPolicy { now.allowsCheckpoints ? .allowed : .forbidden }
}

extension MachineStatus {
    /// The state, why, and what is under way: `paused: the host's disk is full`.
    fileprivate var sentence: String {
        state.rawValue + (reason.map { ": \($0.shortened(to: 400))" } ?? "")
            + (activity.map { " (\($0.shortened(to: 100)) is under way)" } ?? "")
    }
}

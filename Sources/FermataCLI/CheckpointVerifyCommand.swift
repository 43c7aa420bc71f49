// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Fermata
import FermataEngine
import FermataModel
import SystemPackage

/// `fermata checkpoint verify`.
struct CheckpointVerifyCommand: AsyncParsableCommand {
    static let configuration: CommandConfiguration = CommandConfiguration(
        commandName: "verify", abstract: "Read all of a checkpoint, and compare it with what was recorded.",
        discussion: """
            Reads its disks with all their parents, every page of its memory, its devices and its boot files. It changes \
            nothing, and the machine may run meanwhile. 'digest pending' means that the content of the disks was not \
            recorded yet, so only their structure could be checked; whoever next runs the machine or makes a checkpoint \
            records it. Exits with 1 when something is not as it was.
            """)

    @Argument(help: "The machine.")
    var name: String

    @Argument(help: "The checkpoint: its name, its id, or a path such as root/child; without it, all are read.")
    var checkpoint: String?

    @OptionGroup var reading: LabReading

    func run() async throws {
        let record = try reading.machine(name)
        let chosen =
            try checkpoint.map { text throws(EngineError) in [try record.checkpoint(text)] }
            ?? record.tree.listed.checkpoints
        let results = try record.folder.verify(chosen.map(\.id)) { result in
            if !reading.json { try ProgramOutput.data(Self.text(result)) }
        }
        let bad = results.count { !$0.isOK }
        if reading.json {
            try reading.print(
                "fermata-checkpoint-verification",
                [
                    "machine": .string(record.folder.name.description), "ok": .bool(bad == 0),
                    "checkpoints": .array(results.map(\.json)),
                ], text: "")
        }
        guard bad == 0 else {
            throw ProgramFailure(
                bad == 1 ? "1 checkpoint is not as it was" : "\(bad) checkpoints are not as they were")
        }
    }

    private static func text(_ result: CheckpointVerification) -> String {
        let name = result.name.description.shortened(to: 100)
        guard !result.isOK else { return "\(name): \(result.isPending ? "ok, digest pending" : "ok")" }
        return result.problems.map { "\(name): \($0)" }.joined(separator: "\n")
    }
}

extension CheckpointVerification {
    fileprivate var json: JSON {
        [
            "id": .string(id.description), "name": .string(name.description), "ok": .bool(isOK),
            "digest": .string(isPending ? "pending" : "recorded"),
            "problems": .array(
                problems.map { ["path": .string($0.path.string), "message": .string($0.message)] }),
        ]
    }
}

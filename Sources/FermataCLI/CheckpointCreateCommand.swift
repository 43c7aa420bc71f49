// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Fermata
import FermataEngine
import FermataExecutor
import FermataModel

/// `fermata checkpoint create`.
struct CheckpointCreateCommand: AsyncParsableCommand {
    static let configuration: CommandConfiguration = CommandConfiguration(
        commandName: "create", abstract: "Hold this moment of a machine, or of the whole lab.",
        discussion: """
            A machine that is on goes on after a pause of milliseconds, its memory held with its disks. With --all every \
            machine is paused before any is held, and either all have the checkpoint or none has.
            """)

    @Argument(help: "The machine; with --all there is none.")
    var name: String

    @Argument(help: "The checkpoint's name, unique for the machine.")
    var checkpoint: String?

    @OptionGroup var lab: WholeLabOption
    @OptionGroup var reading: LabReading

    @Option(
        help: "standard, with the memory of a machine that is on; or disk-only, its disks as a power cut leaves them.")
    var kind: CheckpointTree.Checkpoint.Kind = .standard

    @Option(help: ArgumentHelp("What is to be remembered of it.", valueName: "text"))
    var notes: String?

    @Flag(help: "Replace a checkpoint of that name.")
    var replace: Bool = false

    mutating func validate() throws {
        if lab.all, checkpoint != nil {
            throw ValidationError("--all is of all machines: leave out '\(name.shortened(to: 100))'")
        }
        if !lab.all, checkpoint == nil { throw ValidationError("Missing expected argument '<checkpoint>'") }
    }

    func run() async throws {
        let request = CheckpointRequest(
            name: try LabCheckpoint.name(checkpoint ?? name), notes: notes, replaces: replace, kind: kind)
        if lab.all { return try await run(request, of: reading.lab()) }
        let outcome = try await reading.machine(name).act { try await $0.control.checkpoint(request) }
        guard case .object(let members) = outcome.jsonValue else { return }
        try reading.printOnlyJSON("fermata-checkpoint-outcome", members)
    }

    private func run(_ request: CheckpointRequest, of lab: LabFolder) async throws {
        let outcome = try await lab.reachable.checkpoint(request)
        let whole = CheckpointOutcome(
            id: outcome.checkpoint.id, name: request.name, pauseMicroseconds: outcome.pauseMicroseconds,
            durableMilliseconds: outcome.durableMilliseconds)
        guard case .object(var members) = whole.jsonValue else { return }
        members["machines"] = outcome.checkpoint.jsonMachines()
        try reading.printOnlyJSON("fermata-checkpoint-outcome", members)
    }
}

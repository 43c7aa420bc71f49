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
        commandName: "create", abstract: "Hold this moment of a machine.",
        discussion: "A machine that is on goes on after a pause of milliseconds, its memory held with its disks.")

    @OptionGroup var action: MachineAction

    @Argument(help: "The checkpoint's name, unique for the machine.")
    var checkpoint: String

    @Option(
        help: "standard, with the memory of a machine that is on; or disk-only, its disks as a power cut leaves them.")
    var kind: CheckpointTree.Checkpoint.Kind = .standard

    @Option(help: ArgumentHelp("What is to be remembered of it.", valueName: "text"))
    var notes: String?

    @Flag(help: "Replace a checkpoint of that name.")
    var replace: Bool = false

    func run() async throws {
        let name = CheckpointName(checkpoint)
        if let problem = name.problem {
            throw ProgramFailure(
                "the checkpoint name '\(checkpoint.shortened(to: 100))' \(problem)", exitCode: ProgramFailure.wrongUse)
        }
        let request = CheckpointRequest(name: name, notes: notes, replaces: replace, kind: kind)
        let outcome = try await action.act { try await $0.control.checkpoint(request) }
        guard case .object(let members) = outcome.jsonValue else { return }
        try action.reading.printOnlyJSON("fermata-checkpoint-outcome", members)
    }
}

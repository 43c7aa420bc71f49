// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Fermata
import FermataEngine
import FermataExecutor
import FermataModel

/// What the commands have in common that are about a checkpoint of one machine, or with `--all` of the whole lab.
struct CheckpointAction: ParsableArguments {
    @Argument(help: "The machine; with --all there is none.")
    var name: String

    @Argument(help: "The checkpoint: its name, its id, or a path such as root/child.")
    var checkpoint: String?

    @OptionGroup var lab: WholeLabOption
    @OptionGroup var reading: LabReading

    /// Whose checkpoint is meant.
    enum Subject {
        case machine(MachineRecord, String)
        case lab(LabFolder, String)
    }

    mutating func validate() throws {
        if lab.all, let checkpoint {
            throw ValidationError(
                "--all is of all machines: leave out '\(name.shortened(to: 100))', or '\(checkpoint.shortened(to: 100))'"
            )
        }
        if !lab.all, checkpoint == nil { throw ValidationError("Missing expected argument '<checkpoint>'") }
    }

    /// Reads what is named, before anything happens.
    ///
    /// - Throws: ``ProgramFailure`` with exit code 2 when there is no machine of that name.
    func subject() throws -> Subject {
        guard let checkpoint else { return .lab(try reading.lab(), name) }
        return .machine(try reading.machine(name), checkpoint)
    }
}

/// Whether a command is about all machines.
struct WholeLabOption: ParsableArguments {
    @Flag(help: "Of all machines of the lab at one moment, not of one.")
    var all: Bool = false
}

extension LabCheckpoint {
    /// What a text on the command line says, checked as a name.
    ///
    /// - Throws: ``ProgramFailure`` with exit code 2 when no checkpoint can have it.
    static func name(_ text: String) throws -> CheckpointName {
        let name = CheckpointName(text)
        if let problem = name.problem {
            throw ProgramFailure(
                "the checkpoint name '\(text.shortened(to: 100))' \(problem)", exitCode: ProgramFailure.wrongUse)
        }
        return name
    }

    /// The machines, each with what is said of it.
    func jsonMachines(_ details: [[String: JSON]] = []) -> JSON {
        .array(
            members.enumerated().map { index, member in
                let own: [String: JSON] = [
                    "id": .string(member.machine.description), "name": .string(member.name.description),
                    "checkpoint": .string(member.checkpoint.description),
                ]
                return .object(own.merging(details.indices.contains(index) ? details[index] : [:]) { $1 })
            })
    }
}

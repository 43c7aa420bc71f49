// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Fermata
import FermataEngine
import FermataExecutor
import FermataModel

/// `fermata vm fork`.
struct MachineForkCommand: AsyncParsableCommand {
    static let configuration: CommandConfiguration = CommandConfiguration(
        commandName: "fork", abstract: "Make a new machine that begins at a checkpoint of another.",
        discussion: """
            With the checkpoint's memory the new machine runs on from that moment; without one it is off. Nothing is \
            copied: its disks are children of the checkpoint's, which stay for as long as it needs them, be the checkpoint \
            deleted or not. The machine it was made of cannot be deleted until its forks are deleted or promoted.
            """)

    @OptionGroup var action: MachineAction

    @Argument(help: "The checkpoint: its name, its id, or a path such as root/child.")
    var checkpoint: String

    @Argument(help: ArgumentHelp("The new machine's name.", valueName: "new"))
    var newName: String

    @Flag(help: "Only make it, off, its disks as a power cut at that moment leaves them.")
    var off: Bool = false

    @Flag(help: "Only make it, saved in the checkpoint's memory.")
    var saved: Bool = false

    mutating func validate() throws {
        if off, saved { throw ValidationError("--off and --saved exclude each other") }
    }

    func run() async throws {
        let record = try action.record()
        let checkpoint = try record.checkpoint(checkpoint)
        let name = MachineName(newName)
        if let problem = name.problem {
            throw ProgramFailure("the machine name '\(name)' \(problem)", exitCode: ProgramFailure.wrongUse)
        }
        if saved, !checkpoint.hasMemory {
            throw ProgramFailure(
                "checkpoint '\(checkpoint.name)' has no memory in which the new machine could be saved",
                exitCode: ProgramFailure.wrongUse)
        }
        let lab = record.folder.lab
        _ = try await action.act { (machine) async throws -> GUID in
            try await machine.control.fork(checkpoint.id, as: name, withMemory: !off)
        }
        let fork = lab.machine(name)
        if checkpoint.hasMemory, !off, !saved {
            let state = try await lab.reachable.using(name) { (machine) async throws -> MachineState in
                try await machine.start()
                return try await machine.state
            }
            try action.reading.printOnlyJSON(state, of: MachineRecord(reading: fork))
        } else {
            let made = try MachineRecord(reading: fork)
            try action.reading.printOnlyJSON(made.stateAtRest, of: made)
        }
    }
}

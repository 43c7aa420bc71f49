// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Fermata
import FermataEngine
import FermataExecutor
import FermataModel

/// `fermata checkpoint rename`.
struct CheckpointRenameCommand: AsyncParsableCommand {
    static let configuration: CommandConfiguration = CommandConfiguration(
        commandName: "rename", abstract: "Give a checkpoint another name, or other notes.",
        usage: """
            fermata checkpoint rename [<options>] <name> <checkpoint> [<new>]
            fermata checkpoint rename [<options>] --all <checkpoint> <new>
            """,
        discussion: """
            With --all it is a checkpoint of the lab; each machine's part of it follows, unless it was given a name of its \
            own.
            """)

    @Argument(help: "The machine; with --all there is none.")
    var name: String

    @Argument(help: "The checkpoint: its name, its id, or a path such as root/child.")
    var checkpoint: String

    @Argument(help: ArgumentHelp("The new name; may be left out with --notes.", valueName: "new"))
    var newName: String?

    @OptionGroup var lab: WholeLabOption
    @OptionGroup var reading: LabReading

    @Option(help: ArgumentHelp("What is to be remembered of it; nothing for an empty text.", valueName: "text"))
    var notes: String?

    mutating func validate() throws {
        if lab.all {
            if newName != nil {
                throw ValidationError("--all is of all machines: leave out '\(name.shortened(to: 100))'")
            }
            if notes != nil { throw ValidationError("--notes are of one machine's checkpoint") }
        } else if newName == nil, notes == nil {
            throw ValidationError("Say the new name, or --notes")
        }
    }

    func run() async throws {
        if lab.all {
            let new = try LabCheckpoint.name(checkpoint)
            let lab = try reading.lab()
            let target = try LabRecord(reading: lab).checkpoint(name)
            return try await lab.reachable.renameCheckpoint(target.id.description, to: new)
        }
        let record = try reading.machine(name)
        let target = try record.checkpoint(checkpoint)
        let new = try newName.map { try LabCheckpoint.name($0) }
        let state = try await record.act { machine in
            try await machine.control.change(target.id, name: new, notes: notes)
            return try await machine.state
        }
        try reading.printOnlyJSON(state, of: reading.machine(name))
    }
}

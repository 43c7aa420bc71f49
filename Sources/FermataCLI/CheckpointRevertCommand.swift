// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Fermata
import FermataEngine
import FermataExecutor
import FermataModel

/// `fermata checkpoint revert`.
struct CheckpointRevertCommand: AsyncParsableCommand {
    static let configuration: CommandConfiguration = CommandConfiguration(
        commandName: "revert",
        abstract: "Make a machine's now, or the whole lab's, equal to the checkpoint from which it grew.",
        discussion: """
            With --all it is the newest checkpoint of the lab that is whole and from which each of its machines grew.
            """)

    @Argument(help: "The machine; with --all there is none.")
    var name: String?

    @OptionGroup var lab: WholeLabOption
    @OptionGroup var reading: LabReading
    @OptionGroup var restoring: RestoreOptions

    mutating func validate() throws {
        if lab.all, let name {
            throw ValidationError("--all is of all machines: leave out '\(name.shortened(to: 100))'")
        }
        if !lab.all, name == nil { throw ValidationError("Missing expected argument '<name>'") }
    }

    func run() async throws {
        guard let name else {
            let lab = try reading.lab()
            guard let parent = try LabRecord(reading: lab).parent else {
                throw ProgramFailure(
                    "the lab \(lab.path) has no checkpoint of several machines from which all of them grew",
                    exitCode: ProgramFailure.wrongUse)
            }
            return try await restoring.restore(parent, of: lab, reading)
        }
        let record = try reading.machine(name)
        guard let parent = record.tree.listed.now else {
            throw ProgramFailure(
                "machine '\(record.folder.name)' has no checkpoint to revert to", exitCode: ProgramFailure.wrongUse)
        }
        try restoring.requireConsent("reverting", to: "machine '\(record.folder.name)'")
        try restoring.requireWhole(parent, of: record)
        // Of what is kept first now would be the child; the checkpoint that was looked at is the one that is meant.
        try await restoring.restore(record, reading) { machine in
            try await machine.control.apply(parent, ending: restoring.ending, toTrash: restoring.trash.isTrashing)
        }
    }
}

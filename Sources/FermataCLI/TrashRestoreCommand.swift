// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Fermata
import FermataEngine
import FermataExecutor
import FermataModel

/// `fermata trash restore`.
struct TrashRestoreCommand: AsyncParsableCommand {
    static let configuration: CommandConfiguration = CommandConfiguration(
        commandName: "restore", abstract: "Bring back a checkpoint, a discarded now, or a deleted machine.",
        discussion: """
            A checkpoint hangs again where it hung; what a machine was comes back as a checkpoint that can be applied. \
            Without an entry, the deleted machine of that name comes back with all that was its own.
            """)

    @Argument(help: "The machine; a deleted one by its name or its id.")
    var name: String

    @Argument(help: "What is to come back of it: a name as 'trash list' prints it, or an id.")
    var entry: String?

    @Option(name: .customLong("as"), help: ArgumentHelp("The name that it gets.", valueName: "new"))
    var newName: String?

    @OptionGroup var reading: LabReading

    func run() async throws {
        if let entry { try await restore(entry) } else { try restoreMachine() }
    }

    private func restore(_ text: String) async throws {
        let record = try reading.machine(name)
        let entry = try MachineTrash(of: record).entry(text, of: record.folder.name)
        let name = newName.map { CheckpointName($0) }
        if let name, let problem = name.problem {
            throw ProgramFailure(
                "the checkpoint name '\(name.description.shortened(to: 100))' \(problem)",
                exitCode: ProgramFailure.wrongUse)
        }
        try await record.folder.lab.reachable.using(record.folder.name) { machine in
            try await machine.control.restoreFromTrash(entry.id, as: name)
        }
        try reading.printOnlyJSON(
            "fermata-trash-restored",
            [
                "machine": .string(record.folder.name.description), "id": .string(entry.id.description),
                "name": .string((name ?? entry.name).description), "kind": "checkpoint",
            ])
    }

    private func restoreMachine() throws {
        let lab = try reading.lab()
        let deleted = try lab.trashedMachines()
        let found = deleted.filter { $0.name.description == name || $0.id == GUID(name) }
        guard let machine = found.first else {
            if try lab.machines().contains(where: { $0.name.description == name }) {
                throw ProgramFailure(
                    "machine '\(name.shortened(to: 100))' is not deleted; say what is to come back of it, as 'fermata trash "
                        + "list' prints it", exitCode: ProgramFailure.wrongUse)
            }
            let near = Spelling.nearest(to: name, among: deleted.map(\.name.description))
            throw ProgramFailure(
                "there is no machine '\(name.shortened(to: 100))' in the trash"
                    + (near.map { "; did you mean '\($0)'?" } ?? ""), exitCode: ProgramFailure.wrongUse)
        }
        guard found.count == 1 else {
            throw ProgramFailure(
                "the trash has \(found.count) machines '\(name)'; say the id of one: "
                    + found.map(\.id.description).joined(separator: ", "), exitCode: ProgramFailure.wrongUse)
        }
        let new = newName.map { MachineName($0) }
        if let new, let problem = new.problem {
            throw ProgramFailure(
                "the machine name '\(new.description.shortened(to: 100))' \(problem)", exitCode: ProgramFailure.wrongUse
            )
        }
        let folder = try lab.restoreMachine(machine, as: new)
        try reading.printOnlyJSON(
            "fermata-trash-restored",
            [
                "machine": .string(folder.name.description), "id": .string(machine.id.description),
                "name": .string(folder.name.description), "kind": "machine",
            ])
    }
}

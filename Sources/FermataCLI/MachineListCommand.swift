// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Fermata
import FermataEngine
import FermataExecutor
import FermataModel

/// `fermata vm list`.
struct MachineListCommand: AsyncParsableCommand {
    static let configuration: CommandConfiguration = CommandConfiguration(
        commandName: "list", abstract: "List the lab's machines.")

    @OptionGroup var reading: LabReading

    func run() async throws {
        let lab = try reading.lab().reachable
        let folders = try lab.folder.machines()
        let states = try await withThrowingTaskGroup(of: (MachineName, MachineState).self) { group in
            for folder in folders { group.addTask { (folder.name, try await lab.status(of: folder.name).state) } }
            return try await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
        }
        let machines = try folders.map { (id: try $0.identity(), name: $0.name, state: states[$0.name] ?? .off) }
        let values = machines.map { machine -> JSON in
            [
                "id": .string(machine.id.description), "name": .string(machine.name.description),
                "state": .string(machine.state.rawValue),
            ]
        }
        try reading.print(
            "fermata-machines", ["machines": .array(values)],
            text: table(machines.map { [$0.name.description, $0.state.rawValue, $0.id.description] }))
    }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Fermata
import FermataEngine
import FermataExecutor
import FermataModel

/// What the commands have in common that act on a machine, wherever it is hosted.
struct MachineAction: ParsableArguments {
    @Argument(help: "The machine.")
    var name: String

    @OptionGroup var reading: LabReading

    /// The machine's files, as they are before anything happens.
    ///
    /// - Throws: ``ProgramFailure`` with exit code 2 when there is none of that name.
    func record() throws -> MachineRecord {
        try reading.machine(name)
    }

    /// Reaches the machine, starting a process to host it if need be, and lets go of it in the end.
    func act<Result: Sendable>(_ body: (MachineHandle) async throws -> Result) async throws -> Result {
        try await record().act(body)
    }

    /// Reaches the machine, does something, and tells what has become of the machine.
    func act(_ body: (MachineHandle) async throws -> Void) async throws {
        let state = try await act { machine in
            try await body(machine)
            return try await machine.state
        }
        try reading.printOnlyJSON(state, of: record())
    }
}

extension MachineRecord {
    /// Reaches the machine, starting a process to host it if need be, and lets go of it in the end.
    func act<Result: Sendable>(_ body: (MachineHandle) async throws -> Result) async throws -> Result {
        try await folder.lab.reachable.using(folder.name, body)
    }
}

extension LabFolder {
    /// The lab with what hosts its machines.
    var reachable: Lab {
        Lab(at: path, hypervisor: QEMUDriver(), hostCommand: .thisProgram)
    }
}

extension Lab {
    /// Reaches a machine, starting a process to host it if need be, and lets go of it in the end.
    func using<Result: Sendable>(
        _ name: MachineName, _ body: (MachineHandle) async throws -> Result
    ) async throws -> Result {
        let machine = try await machine(name)
        do {
            let result = try await body(machine)
            await machine.close()
            return result
        } catch {
            await machine.close()
            throw error
        }
    }
}

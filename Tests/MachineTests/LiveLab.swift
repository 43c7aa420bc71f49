// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataEngine
import FermataModel
import FermataTestSupport
import Foundation
import QEMUDriver
import SystemPackage

/// A lab of its own for a test, with machines that run the tiny guest.
final class LiveLab: Sendable {
    let folder: LabFolder
    let hypervisor: any Hypervisor

    /// Makes an empty lab.
    init(hypervisor: any Hypervisor = QEMUDriver(), in path: FilePath? = nil) throws {
        let path = path ?? FilePath(NSTemporaryDirectory()).appending("fermata-lab-\(UUID().uuidString)")
        folder = try LabFolder.create(path)
        self.hypervisor = hypervisor
    }

    deinit {
        try? FileManager.default.removeItem(atPath: folder.path.string)
    }

    /// Makes a machine that is off.
    func machine(
        _ name: MachineName = "web", memory: ByteSize = .mebibytes(192), processors: Int = 1,
        disks: [MachineDefinition.Disk] = [.init(name: "system", size: .mebibytes(64))], hasNetwork: Bool = false,
        arguments: String = TinyGuest.arguments, settings: HostSettings = HostSettings()
    ) throws -> MachineHost {
        let definition = MachineDefinition(
            name: name, memory: memory, processors: processors,
            boot: .init(kernel: "vmlinuz", initrd: "initrd.gz", arguments: arguments), disks: disks,
            hasNetwork: hasNetwork)
        let guest = try TinyGuest.find().folder
        let machine = try folder.createMachine(definition, file: { guest.appending($0) })
        return try host(machine.name, settings: settings)
    }

    /// Takes the lock of a machine that exists.
    func host(_ name: MachineName, settings: HostSettings = HostSettings()) throws -> MachineHost {
        try MachineHost(of: folder.machine(name), hypervisor: hypervisor, settings: settings)
    }

    /// Makes a machine and waits until its guest is ready.
    func running(
        _ name: MachineName = "web", processors: Int = 1,
        disks: [MachineDefinition.Disk] = [.init(name: "system", size: .mebibytes(64))], hasNetwork: Bool = false,
        arguments: String = TinyGuest.arguments, settings: HostSettings = HostSettings()
    ) async throws -> MachineHost {
        let host = try machine(
            name, processors: processors, disks: disks, hasNetwork: hasNetwork, arguments: arguments,
            settings: settings)
        try await host.start()
        _ = try await host.waitForConsole(.plain("fermata tiny guest ready"), within: .minutes(5))
        return host
    }
}

extension MachineHost {
    /// Types text on the guest's console.
    func type(_ text: String) async throws {
        try await type(Array(text.utf8))
    }

    /// What a command in the guest writes to standard output, without white space at its ends; it must succeed.
    func output(of line: String) async throws -> String {
        let result = try await run(.shell(line), within: .minutes(2))
        let text = String(decoding: result.standardOutput, as: UTF8.self)
        guard result.exitCode == 0 else {
            throw CommandFailure(line: line, result: result)
        }
        return text.trimmingCharacters(in: .whitespacesAndNewlines)
    }
}

struct CommandFailure: Error, CustomStringConvertible {
    let line: String
    let result: CommandResult
    var description: String {
        "\(line): exit code \(result.exitCode): \(String(decoding: result.standardError, as: UTF8.self))"
    }
}

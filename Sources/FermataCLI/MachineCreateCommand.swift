// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Fermata
import FermataEngine
import FermataExecutor
import FermataModel
import SystemPackage

/// `fermata vm create`.
struct MachineCreateCommand: AsyncParsableCommand {
    static let configuration: CommandConfiguration = CommandConfiguration(
        commandName: "create", abstract: "Make a machine, off, with empty disks; make the lab if there is none.")

    @Argument(help: "The machine's name.")
    var name: String

    @Option(help: ArgumentHelp("The memory, a multiple of 1M.", valueName: "size"))
    var memory: String = "256M"

    @Option(help: ArgumentHelp("The number of processors.", valueName: "count"))
    var processors: Int = 1

    @Option(
        help: ArgumentHelp(
            "A disk, such as 64M or data=1G; may be said again, and the order is the guest's.",
            valueName: "[name=]size"))
    var disk: [String] = []

    @Option(help: ArgumentHelp("The format of the disks: vhd or vhdx.", valueName: "format"))
    var format: String = MachineDefinition.Disk.Format.vhd.rawValue

    @Option(help: "The kernel to start; without one the machine starts from its first disk.", completion: .file())
    var kernel: String?

    @Option(help: "The initial RAM disk.", completion: .file())
    var initrd: String?

    @Option(help: "The kernel's command line.")
    var arguments: String?

    @OptionGroup var reading: LabReading

    func validate() throws {
        if kernel == nil, initrd != nil || arguments != nil {
            throw ValidationError("--initrd and --arguments need a --kernel")
        }
        guard MachineDefinition.Disk.Format(rawValue: format) == nil else { return }
        throw ValidationError("--format is '\(format)'; it must be 'vhd' or 'vhdx'")
    }

    func run() async throws {
        var lab = Lab(at: Lab.find(store: try reading.store.checked().map { FilePath($0) }))
        lab.trash = .ofNewLabs()
        let definition = try definition()
        do {
            for warning in try lab.check(definition, in: "/") { ProgramOutput.message(warning.description) }
        } catch let errors as PlanningErrors {
            throw ProgramFailure(ofDefinition: errors)
        }
        let machine = try lab.create(definition, in: "/")
        let record = try MachineRecord(reading: machine.control.folder)
        await machine.close()
        try reading.printOnlyJSON(.off, of: record)
    }

    private func definition() throws -> MachineDefinition {
        MachineDefinition(
            name: MachineName(name), memory: try ByteSize(parsing: memory), processors: processors,
            boot: kernel.map { kernel in
                MachineDefinition.Boot(
                    kernel: FilePath.absolute(kernel).string, initrd: initrd.map { FilePath.absolute($0).string },
                    arguments: arguments)
            },
            disks: try disk.enumerated().map { index, text in
                let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
                guard parts.count == 2 || index == 0 else {
                    throw ProgramFailure(
                        "--disk '\(text.shortened(to: 100))' has no name; write NAME=SIZE for every disk but the first",
                        exitCode: ProgramFailure.wrongUse)
                }
                return MachineDefinition.Disk(
                    name: parts.count == 2 ? parts[0] : "system", size: try ByteSize(parsing: parts.last ?? ""),
                    format: MachineDefinition.Disk.Format(rawValue: format) ?? .vhd)
            })
    }
}

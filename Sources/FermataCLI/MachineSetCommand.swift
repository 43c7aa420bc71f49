// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Fermata
import FermataEngine
import FermataExecutor
import FermataModel
import FermataPlan
import SystemPackage

/// `fermata vm set`.
struct MachineSetCommand: AsyncParsableCommand {
    static let configuration: CommandConfiguration = CommandConfiguration(
        commandName: "set",
        abstract: "Change a machine: its hardware while it is off, its notes and rules at any time.",
        discussion: """
            What is not said stays as it is. Checkpoints keep the hardware of their time, and applying one brings it \
            back. Boot files are copied into the lab. A disk that is detached stays as a file in the machine's folder, \
            without what was written to it since the last checkpoint.
            """)

    @Option(help: ArgumentHelp("The memory, a multiple of 1M.", valueName: "size"))
    var memory: String?

    @Option(help: ArgumentHelp("The number of processors.", valueName: "count"))
    var processors: Int?

    @Option(help: "The kernel to start.", completion: .file())
    var kernel: String?

    @Option(help: "The initial RAM disk.", completion: .file())
    var initrd: String?

    @Option(help: "The kernel's command line.")
    var arguments: String?

    @Option(help: "The notes; an empty text removes them.")
    var notes: String?

    @Option(
        help: ArgumentHelp(
            "What the guest's time of day is after a restore: that of the checkpoint, or, told by its agent, the host's.",
            valueName: "continue|host"))
    var clock: ClockPolicy?

    @Option(help: ArgumentHelp("Whether checkpoints can be made.", valueName: "allowed|forbidden"))
    var checkpoints: CheckpointPolicy?

    @Option(
        help: ArgumentHelp(
            "A new disk, such as data=1G, or a file in the machine's folder, such as data=web-data.vhd; may be said again.",
            valueName: "name=size|file"))
    var attach: [String] = []

    @Option(help: ArgumentHelp("A disk to take away; may be said again.", valueName: "name"))
    var detach: [String] = []

    @Option(help: ArgumentHelp("The format of new disks: vhd or vhdx.", valueName: "format"))
    var format: String = MachineDefinition.Disk.Format.vhd.rawValue

    @OptionGroup var discard: DiscardOption
    @OptionGroup var action: MachineAction

    func validate() throws {
        if MachineDefinition.Disk.Format(rawValue: format) == nil {
            throw ValidationError("--format is '\(format)'; it must be 'vhd' or 'vhdx'")
        }
        for text in attach where !text.contains("=") {
            throw ValidationError("--attach '\(text.shortened(to: 100))' has no name; write NAME=SIZE or NAME=FILE")
        }
        let texts = [memory, kernel, initrd, arguments, notes].compactMap(\.self) + attach + detach
        if texts.isEmpty, processors == nil, clock == nil, checkpoints == nil {
            throw ValidationError("there is nothing to change; say what, such as --memory 512M")
        }
    }

    func run() async throws {
        let record = try action.record()
        let change = try change()
        try check(change, of: record)
        for disk in try record.diskFiles(of: record.now) where detach.contains(disk.name) && disk.chain.count > 1 {
            try discard.require(
                for: "detaching disk '\(disk.name)' of machine '\(record.folder.name)' discards what was written to it "
                    + "since the last checkpoint")
        }
        try await action.act { machine in
            try await machine.change(change)
        }
    }

    /// Refuses what no machine can be, with the sentences that a recipe's author gets.
    private func check(_ change: HardwareChange, of record: MachineRecord) throws {
        let lab = record.folder.lab
        let kernel = change.kernel ?? record.now.boot.map { lab.boot.appending($0.kernel) }
        let definition = MachineDefinition(
            name: record.folder.name, memory: change.memory ?? ByteSize(bytes: record.now.memory),
            processors: change.processors ?? record.now.processors,
            boot: kernel.map {
                MachineDefinition.Boot(kernel: $0.string, initrd: change.initrd?.string, arguments: change.arguments)
            },
            disks: change.attach.compactMap { disk in
                guard case .empty(let size, let format) = disk.content else { return nil }
                return MachineDefinition.Disk(name: disk.name, size: size, format: format)
            })
        do {
            _ = try lab.reachable.check(definition, in: "/")
        } catch let errors as PlanningErrors {
            throw ProgramFailure(ofDefinition: errors)
        }
    }

    private func change() throws -> HardwareChange {
        HardwareChange(
            memory: try memory.map { try ByteSize(parsing: $0) }, processors: processors,
            kernel: kernel.map { .absolute($0) }, initrd: initrd.map { .absolute($0) }, arguments: arguments,
            notes: notes, clock: clock, allowsCheckpoints: checkpoints.map { $0 == .allowed }, detach: detach,
            attach: try attach.map(newDisk))
    }

    private func newDisk(_ text: String) throws -> HardwareChange.NewDisk {
        let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        let (name, value) = (parts[0], parts.last ?? "")
        if value.hasSuffix(".vhd") || value.hasSuffix(".vhdx") {
            return HardwareChange.NewDisk(name: name, content: .file(value))
        }
        let format = MachineDefinition.Disk.Format(rawValue: format) ?? .vhd
        return HardwareChange.NewDisk(name: name, content: .empty(try ByteSize(parsing: value), format))
    }
}

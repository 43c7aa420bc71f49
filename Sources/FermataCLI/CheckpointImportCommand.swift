// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Fermata
import FermataEngine
import FermataExecutor
import FermataModel
import SystemPackage

/// `fermata checkpoint import`.
struct CheckpointImportCommand: AsyncParsableCommand {
    static let configuration: CommandConfiguration = CommandConfiguration(
        commandName: "import", abstract: "Make a machine of an exported folder, or of a disk's image.",
        discussion: """
            The folder may be one that another program wrote in the layout of Hyper-V: a configuration in 'Virtual \
            Machines', and disks. Its checkpoints are not imported, but for the state that the configuration names. An \
            image is a VHD, VHDX or raw file, of which a machine with that disk is made. Nothing is written to what is \
            imported.
            """)

    @Argument(help: ArgumentHelp("The folder or the image.", valueName: "folder"), completion: .directory)
    var place: String

    @Option(help: "The new machine's name; unless said, that in the configuration.")
    var name: String?

    @OptionGroup var reading: LabReading

    func run() async throws {
        var lab = Lab(at: Lab.find(store: try reading.store.checked().map { FilePath($0) }))
        lab.trash = .ofNewLabs()
        if let name, let problem = MachineName(name).problem {
            throw ProgramFailure(
                "the machine name '\(name.shortened(to: 100))' \(problem)", exitCode: ProgramFailure.wrongUse)
        }
        let made = try lab.importMachine(from: FilePath(place), as: name.map { MachineName($0) })
        let record = try MachineRecord(reading: lab.folder.machine(made))
        try reading.printOnlyJSON(record.stateAtRest, of: record)
    }
}

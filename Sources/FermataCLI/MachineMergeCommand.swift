// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Fermata
import FermataExecutor
import FermataModel

/// `fermata vm merge`.
struct MachineMergeCommand: AsyncParsableCommand {
    static let configuration: CommandConfiguration = CommandConfiguration(
        commandName: "merge", abstract: "Wait until disks are merged that no checkpoint needs any more.",
        discussion: """
            A checkpoint that is deleted leaves a disk through which others are read. It is merged with the one that \
            grew from it, by itself and while the machine runs. This waits for it, sets how fast it may be, or stops it.
            """)

    @OptionGroup var action: MachineAction

    @Option(help: ArgumentHelp("The most that is copied in a second, such as 20M; 0 for no limit.", valueName: "size"))
    var rate: String?

    @Flag(help: "Stop it instead; the next 'vm merge' goes on.")
    var stop: Bool = false

    mutating func validate() throws {
        if stop, rate != nil { throw ValidationError("Say either --rate or --stop") }
    }

    func run() async throws {
        let rate = try rate.map { (text) throws(ProgramFailure) in
            do { return try ByteSize(parsing: text).bytes } catch {
                throw ProgramFailure("--rate: \(error)", exitCode: ProgramFailure.wrongUse)
            }
        }
        try await action.act { (machine) async throws in
            if stop { try await machine.stopMergingDisks() } else { try await machine.mergeDisks(rate: rate) }
        }
    }
}

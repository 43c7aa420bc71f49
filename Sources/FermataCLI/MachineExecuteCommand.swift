// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Fermata
import FermataEngine
import FermataModel
import SystemPackage

/// `fermata vm exec`.
struct MachineExecuteCommand: AsyncParsableCommand {
    static let configuration: CommandConfiguration = CommandConfiguration(
        commandName: "exec", abstract: "Run a command in a machine's guest.",
        discussion: """
            Standard input, output and error are the command's, byte for byte, and its exit code is this one's. 124 \
            means that its time was over, 125 that it could not be run to its end (a revert ended it, the machine is \
            off), 126 and 127 what they mean in a shell. The guest must run the agent that \
            Scripts/guest-files/PROTOCOL.md describes.
            """)

    @Argument(help: "The machine.")
    var name: String

    @OptionGroup var store: StoreOption

    @Option(help: ArgumentHelp("How long it may take, such as 30s; any time unless said.", valueName: "duration"))
    var within: String?

    @Flag(help: "Let the guest's /bin/sh run the words, joined by spaces, as one line.")
    var shell: Bool = false

    @Argument(
        parsing: .postTerminator, help: ArgumentHelp("After --: the program and its arguments.", valueName: "argv"))
    var command: [String]

    func run() async throws {
        let folder = try store.machine(name).folder
        let limit = try within.map { try TimeSpan(parsing: $0) }
        let streams = CommandStreams(input: .standardInput, output: .standardOutput, error: .standardError)
        let command: Action.Command = shell ? .shell(command.joined(separator: " ")) : .arguments(command)
        let code: Int
        do {
            code = try await folder.lab.reachable.using(folder.name) {
                try await $0.control.execute(command, streams: streams, within: limit)
            }
        } catch let error as EngineError {
            throw ProgramFailure(error.description, exitCode: error.code == .timeout ? 124 : 125)
        }
        // It is the guest's command that says why.
        if code != 0 { throw ProgramFailure(lines: [], exitCode: Int32(truncatingIfNeeded: code)) }
    }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Fermata
import FermataEngine
import FermataModel

/// `fermata vm console`.
struct MachineConsoleCommand: AsyncParsableCommand {
    static let configuration: CommandConfiguration = CommandConfiguration(
        commandName: "console", abstract: "Connect to a machine's console.",
        discussion: """
            On a terminal every key goes to the guest, Ctrl-C too; Ctrl-] detaches. Else standard input is typed as it \
            is, and what the guest writes is copied. It begins with the last 4 KiB, goes on over restores, which are \
            told on standard error, and ends when the machine has no power. Any number may be connected at a time.
            """)

    @Argument(help: "The machine.")
    var name: String

    @OptionGroup var store: StoreOption

    func run() async throws {
        let folder = try store.machine(name).folder
        try await folder.lab.reachable.using(folder.name) { try await ConsoleSession(at: $0).run() }
    }
}

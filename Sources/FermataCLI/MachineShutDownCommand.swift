// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Fermata
import FermataModel

/// `fermata vm shut-down`.
struct MachineShutDownCommand: AsyncParsableCommand {
    static let configuration: CommandConfiguration = CommandConfiguration(
        commandName: "shut-down", abstract: "Ask a machine's guest to power off, and wait for it.",
        discussion: "A guest that takes longer fails the command, and runs on.")

    @OptionGroup var action: MachineAction

    @Option(help: ArgumentHelp("How long to wait for it: 90s, 2m and the like.", valueName: "time"))
    var within: String = Action.defaultWithin.description

    @Flag(help: "Cut the power when the time is over.")
    var turnOff: Bool = false

    func run() async throws {
        let limit = try TimeSpan(parsing: within)
        try await action.act { try await $0.shutDown(within: limit, orElse: turnOff ? .turnOff : .fail) }
    }
}

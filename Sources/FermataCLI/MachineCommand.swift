// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser

/// `fermata vm`.
struct MachineCommand: AsyncParsableCommand {
    static let configuration: CommandConfiguration = CommandConfiguration(
        commandName: "vm", abstract: "Look at machines.",
        subcommands: [MachineListCommand.self, MachineShowCommand.self])
}

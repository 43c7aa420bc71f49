// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Fermata

/// `fermata vm reset`.
struct MachineResetCommand: AsyncParsableCommand {
    static let configuration: CommandConfiguration = CommandConfiguration(
        commandName: "reset", abstract: "Reset a machine as its reset button does.")

    @OptionGroup var action: MachineAction
    @OptionGroup var discard: DiscardOption

    func run() async throws {
        let name = try action.record().folder.name
        try discard.require(for: "resetting machine '\(name)' discards its memory")
        try await action.act { try await $0.reset() }
    }
}

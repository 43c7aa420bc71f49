// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Fermata

/// `fermata vm pause`.
struct MachinePauseCommand: AsyncParsableCommand {
    static let configuration: CommandConfiguration = CommandConfiguration(
        commandName: "pause", abstract: "Hold a machine's processors still.")

    @OptionGroup var action: MachineAction

    func run() async throws {
        try await action.act { try await $0.pause() }
    }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Fermata

/// `fermata vm resume`.
struct MachineResumeCommand: AsyncParsableCommand {
    static let configuration: CommandConfiguration = CommandConfiguration(
        commandName: "resume", abstract: "Let a paused machine go on.",
        discussion: "A machine that is paused because a disk of the host failed or is full tries again.")

    @OptionGroup var action: MachineAction

    func run() async throws {
        try await action.act { try await $0.resume() }
    }
}

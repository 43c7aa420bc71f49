// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Fermata

/// `fermata vm turn-off`.
struct MachineTurnOffCommand: AsyncParsableCommand {
    static let configuration: CommandConfiguration = CommandConfiguration(
        commandName: "turn-off", abstract: "Cut a machine's power.",
        discussion: "Its memory is lost, and its disks are as a power cut leaves them.")

    @OptionGroup var action: MachineAction
    @OptionGroup var discard: DiscardOption

    func run() async throws {
        let name = try action.record().folder.name
        try discard.require(for: "turning machine '\(name)' off discards its memory")
        try await action.act { try await $0.turnOff() }
    }
}

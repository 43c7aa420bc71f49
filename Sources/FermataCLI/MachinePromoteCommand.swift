// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Fermata

/// `fermata vm promote`.
struct MachinePromoteCommand: AsyncParsableCommand {
    static let configuration: CommandConfiguration = CommandConfiguration(
        commandName: "promote", abstract: "Make a fork independent of the machine it was made of.",
        discussion: """
            What its disks read from other machines is copied, so that it needs none of theirs any more. The machine must \
            be off or saved. A promotion that was cut off is done by the next; until then everything reads as before.
            """)

    @OptionGroup var action: MachineAction

    func run() async throws {
        try await action.act { try await $0.promote() }
    }
}

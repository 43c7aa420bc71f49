// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Fermata

/// `fermata vm start`.
struct MachineStartCommand: AsyncParsableCommand {
    static let configuration: CommandConfiguration = CommandConfiguration(
        commandName: "start", abstract: "Start a machine and leave it running.",
        discussion: "A process stays behind that hosts the machine; when that is killed, the machine is off.")

    @OptionGroup var action: MachineAction

    func run() async throws {
        try await action.act { try await $0.start() }
    }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Fermata

/// `fermata vm save`.
struct MachineSaveCommand: AsyncParsableCommand {
    static let configuration: CommandConfiguration = CommandConfiguration(
        commandName: "save", abstract: "Write a machine's memory and devices to disk, and end its process.",
        discussion: "The next start goes on from there.")

    @OptionGroup var action: MachineAction

    func run() async throws {
        try await action.act { try await $0.save() }
    }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Fermata
import FermataEngine
import FermataExecutor
import FermataModel
import SystemPackage

/// `fermata vm host`, which other commands start: it hosts a machine until that has no power and nobody asks for it.
struct MachineHostCommand: AsyncParsableCommand {
    static let configuration: CommandConfiguration = CommandConfiguration(
        commandName: "host", abstract: "Host a machine.", shouldDisplay: false)

    @Argument(help: "The machine.")
    var name: String

    @OptionGroup var store: StoreOption

    @Flag(help: "Whether the first client is at descriptor 3.")
    var inheritedClient: Bool = false

    func run() async throws {
        let lab = LabFolder(Lab.find(store: try store.checked().map { FilePath($0) })).reachable
        let process = HostProcess()
        let signals = StopSignals { process.stop() }
        defer { withExtendedLifetime(signals) {} }
        try await process.run(MachineName(name), in: lab, inheritsClient: inheritedClient)
    }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Fermata
import FermataModel

/// `fermata vm delete`.
struct MachineDeleteCommand: AsyncParsableCommand {
    static let configuration: CommandConfiguration = CommandConfiguration(
        commandName: "delete", abstract: "Delete a machine with its disks and all its checkpoints.",
        discussion: """
            A machine that runs is refused; turn it off first. It goes to the lab's trash, if there is one, from which \
            'fermata trash restore' brings it back.
            """)

    @OptionGroup var action: MachineAction
    @OptionGroup var discard: DiscardOption
    @OptionGroup var trash: TrashOption

    func run() async throws {
        let record = try action.record()
        let name = record.folder.name
        try discard.require(for: "deleting machine '\(name)' discards its disks and all its checkpoints")
        try await record.folder.lab.reachable.delete(name, toTrash: trash.isTrashing)
        try action.reading.printOnlyJSON(
            "fermata-machine-deleted",
            ["id": .string(record.id.description), "name": .string(name.description)])
    }
}

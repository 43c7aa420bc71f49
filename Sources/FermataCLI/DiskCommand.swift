// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser

/// `fermata disk`.
struct DiskCommand: AsyncParsableCommand {
    static let configuration: CommandConfiguration = CommandConfiguration(
        commandName: "disk", abstract: "Work on virtual disks.",
        subcommands: [
            DiskInfoCommand.self, DiskCheckCommand.self, DiskCreateCommand.self, DiskConvertCommand.self,
            DiskMergeCommand.self,
            DiskMapCommand.self, DiskDiffCommand.self, DiskResizeCommand.self, DiskCompactCommand.self,
            DiskSetParentCommand.self,
            DiskServeCommand.self,
        ])
}

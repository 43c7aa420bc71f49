// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Fermata
import FermataModel
import SystemPackage
import VirtualDisk

/// `fermata disk compact`.
struct DiskCompactCommand: AsyncParsableCommand {
    static let configuration: CommandConfiguration = CommandConfiguration(
        commandName: "compact", abstract: "Give back the space that a disk need not take.",
        discussion: """
            Blocks go that are zeros, and those of a child that equal what its parents have, unless these were changed \
            since the child grew from them; the others are moved together. The disk reads as before, and stays the parent of its children. Its file is made anew beside \
            the old one, which needs space, and takes its place once it is complete. A raw disk gets holes where it \
            is zeros; a fixed one keeps its space.
            """)

    @Argument(help: "The disk's file.", completion: .file())
    var file: String

    @OptionGroup var format: DiskFormatOption

    @Flag(help: "Print JSON.")
    var json: Bool = false

    func run() async throws {
        let location = try DiskLocation(existing: file)
        let format = try format.format(of: location.path)
        let host = try DiskUse(of: location, format).claimForReplacing()
        defer { withExtendedLifetime(host) {} }
        let line = DiskProgressLine("compacting")
        let result = try DiskOperation.run {
            defer { line.end() }
            return try DiskCompaction.compact(
                location.path, beneath: location.root, format: format, progress: line.progress)
        }
        for warning in result.warnings { ProgramOutput.message("\(ProgramOutput.name): warning: \(warning)") }
        try ProgramOutput.data(json ? result.json.pretty : result.text)
    }
}

extension DiskCompaction {
    /// The document about the compaction.
    fileprivate var json: JSON {
        .members([
            "format": "fermata-disk-compact", "version": 1, "path": .string(path.string), "before": .integer(before),
            "after": .integer(after), "removedBlocks": .integer(UInt64(removedBlocks)),
        ])
    }

    fileprivate var text: String {
        table([
            ["path", path.string], ["allocated before", "\(ByteSize(bytes: before))"],
            ["allocated now", "\(ByteSize(bytes: after))"], ["removed blocks", "\(removedBlocks)"],
        ])
    }
}

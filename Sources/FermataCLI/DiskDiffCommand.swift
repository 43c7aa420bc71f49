// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import BlockStorage
import Fermata
import FermataModel
import SystemPackage
import VirtualDisk

/// `fermata disk diff`.
struct DiskDiffCommand: AsyncParsableCommand {
    static let configuration: CommandConfiguration = CommandConfiguration(
        commandName: "diff", abstract: "Tell where two disks read differently.")

    @Argument(help: "A disk's file.", completion: .file())
    var first: String

    @Argument(help: "The other disk's file.", completion: .file())
    var second: String

    @OptionGroup var sizeMode: DiskSizeModeOption

    @Flag(help: "Print JSON.")
    var json: Bool = false

    func run() async throws {
        let chains = try [first, second].map { text in
            let location = try DiskLocation(existing: text)
            // The other disk may be one that has a single size.
            let mode = DiskFormat(path: location.path) == .vhd ? sizeMode.mode : .auto
            let chain = try DiskOperation.run {
                try DiskChain.open(location.path, beneath: location.root, access: .readOnly, sizeMode: mode)
            }
            chain.tellWarnings()
            return chain
        }
        let line = DiskProgressLine("comparing")
        let difference = try {
            defer { line.end() }
            return try DiskDifference(chains[0], chains[1], progress: line.progress)
        }()
        guard json else {
            guard !difference.isEmpty else { return try ProgramOutput.data("the disks are alike") }
            let rows = difference.ranges.map { ["\($0.lowerBound)", "\($0.count)"] }
            return try ProgramOutput.data(table([["start", "length"]] + rows))
        }
        let document: JSON = .members([
            "format": "fermata-disk-diff", "version": 1, "same": .bool(difference.isEmpty),
            "sizes": .array(chains.map { .integer($0.size) }),
            "extents": .array(
                difference.ranges.map { range in
                    .members(["start": .integer(range.lowerBound), "length": .integer(UInt64(range.count))])
                }),
        ])
        try ProgramOutput.data(document.pretty)
    }
}

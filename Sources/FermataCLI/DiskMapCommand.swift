// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import BlockStorage
import Fermata
import FermataModel
import SystemPackage
import VirtualDisk

/// `fermata disk map`.
struct DiskMapCommand: AsyncParsableCommand {
    static let configuration: CommandConfiguration = CommandConfiguration(
        commandName: "map", abstract: "Tell which file of a chain has which part of a disk.")

    @Argument(help: "The disk's file.", completion: .file())
    var file: String

    @OptionGroup var format: DiskFormatOption

    @OptionGroup var sizeMode: DiskSizeModeOption

    @Flag(help: "Print JSON.")
    var json: Bool = false

    func run() async throws {
        let location = try DiskLocation(existing: file)
        let format = try format.format(of: location.path)
        let chain = try DiskOperation.run {
            try DiskChain.open(
                location.path, beneath: location.root, access: .readOnly, format: format, sizeMode: sizeMode.mode)
        }
        chain.tellWarnings()
        let map = try chain.map()
        guard json else {
            var rows = [["start", "length", "kind", "file"]]
            for extent in map {
                rows.append([
                    "\(extent.range.lowerBound)", "\(extent.range.count)", extent.isData ? "data" : "zero",
                    extent.isData ? chain.layers[extent.depth].path.string : "",
                ])
            }
            return try ProgramOutput.data(table(rows))
        }
        let document = JSON.array(
            map.map { extent in
                .members([
                    "start": .integer(extent.range.lowerBound), "length": .integer(UInt64(extent.range.count)),
                    "data": .bool(extent.isData), "zero": .bool(!extent.isData),
                    "depth": .integer(UInt64(extent.depth)),
                ])
            })
        try ProgramOutput.data(document.pretty)
    }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Fermata
import FermataModel
import SystemPackage
import VirtualDisk

/// `fermata disk resize`.
struct DiskResizeCommand: AsyncParsableCommand {
    static let configuration: CommandConfiguration = CommandConfiguration(
        commandName: "resize", abstract: "Give a disk another size.",
        discussion: """
            A disk is made smaller only when nothing but zeros is cut off. A disk from which others grew, and one that \
            grew from another, keep their size.
            """)

    @Argument(help: "The disk's file.", completion: .file())
    var file: String

    @Argument(help: "The new size, such as 64M or 1G: powers of 1024, a multiple of 512 bytes.")
    var size: String

    @OptionGroup var format: DiskFormatOption

    @Flag(help: "Print JSON.")
    var json: Bool = false

    func run() async throws {
        let location = try DiskLocation(existing: file)
        let format = try format.format(of: location.path)
        let size = try ByteSize(parsing: size)
        try location.checkIsNoMachines()
        try DiskOperation.run {
            try DiskResizing.resize(location.path, to: size.bytes, beneath: location.root, format: format)
        }
        let info = try DiskInfo.inspect(location.path, beneath: location.root, format: format)
        if json { try ProgramOutput.data(info.json.pretty) }
    }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import BlockStorage
import Fermata
import FermataModel
import Foundation
import SystemPackage
import VirtualDisk

/// `fermata disk create`.
struct DiskCreateCommand: AsyncParsableCommand {
    static let configuration: CommandConfiguration = CommandConfiguration(
        commandName: "create", abstract: "Make an empty disk, or a child of a disk.",
        usage: """
            fermata disk create <file> --size <size> [--format <format>] [--fixed] [--json]
            fermata disk create <file> --parent <parent> [--json]
            """)

    @Argument(help: "The file to make.", completion: .file())
    var file: String

    @Option(help: "The size, such as 64M or 1G: powers of 1024, a multiple of 512 bytes.")
    var size: String?

    @OptionGroup var format: DiskFormatOption

    @Flag(help: "Take all the space at once.")
    var fixed: Bool = false

    @Option(help: "The disk from which the new one differs.", completion: .file())
    var parent: String?

    @Flag(help: "Print JSON.")
    var json: Bool = false

    func validate() throws {
        if (size == nil) == (parent == nil) { throw ValidationError("Expected either --size or --parent") }
        if parent != nil, fixed { throw ValidationError("A child of a disk cannot be fixed") }
    }

    func run() async throws {
        let location = try DiskLocation(new: file)
        let format = try format.format(of: location.path)
        guard !FileManager.default.fileExists(atPath: location.path.string) else {
            throw ProgramFailure("'\(file)' exists already; choose another name, or remove it")
        }
        do {
            if let parent {
                try createChild(location, of: DiskLocation(existing: parent), format)
            } else {
                let size = try ByteSize(parsing: size ?? "")
                try format.create(at: location.path, size: size.bytes, kind: fixed ? .fixed : .dynamic)
            }
        } catch let error as DiskError where error.code == .invalidArgument {
            throw ProgramFailure(error.description, exitCode: ProgramFailure.wrongUse)
        }
        try Folder(opening: location.path.removingLastComponent()).synchronize()
        let info = try DiskInfo.inspect(location.path, beneath: location.root, format: format)
        if json { try ProgramOutput.data(info.json.pretty) }
    }

    private func createChild(_ child: DiskLocation, of parent: DiskLocation, _ format: DiskFormat) throws {
        let parentFormat = DiskFormat(path: parent.path)
        guard format.hasChildren, parentFormat == nil || parentFormat == format else {
            throw ProgramFailure(
                "a child has its parent's format, which is no raw one: '\(child.path)' is \(format), "
                    + "'\(parent.path)' is \(parentFormat?.description ?? "unknown")",
                exitCode: ProgramFailure.wrongUse)
        }
        // A child of a disk that cannot be read would be of no use.
        _ = try DiskChain.open(parent.path, beneath: parent.root, access: .readOnly).layers
        guard parent.path.starts(with: child.root) else {
            throw ProgramFailure(
                "'\(parent.path)' does not lie beneath \(child.root), and a parent is followed nowhere else",
                exitCode: ProgramFailure.wrongUse)
        }
        try format.createChild(at: child.path, of: parent.path)
    }
}

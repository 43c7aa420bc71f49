// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import BlockStorage
import Fermata
import FermataModel
import SystemPackage
import VirtualDisk

/// `fermata disk convert`.
struct DiskConvertCommand: AsyncParsableCommand {
    static let configuration: CommandConfiguration = CommandConfiguration(
        commandName: "convert", abstract: "Copy a disk, with all its parents, to a file of any format.",
        discussion: """
            The extension tells a file's format: \(Self.formats). qcow2, vmdk and vdi are read and written through \
            qemu-img, which must be installed. The new file is there once it is complete.
            """)

    private static let formats =
        (DiskFormatOption.Name.allCases.map(\.rawValue) + ForeignFormat.allCases.map(\.rawValue))
        .joined(separator: ", ")

    @Argument(help: "The disk to copy.", completion: .file())
    var source: String

    @Argument(help: "The file to make.", completion: .file())
    var target: String

    @Option(help: ArgumentHelp("The new file's format, if not its extension's.", valueName: "format"))
    var format: String?

    @Option(help: ArgumentHelp("The old file's format, if not its extension's.", valueName: "format"))
    var sourceFormat: String?

    @OptionGroup var sizeMode: DiskSizeModeOption

    @Flag(help: "Take all the space at once.")
    var fixed: Bool = false

    @Flag(help: "Replace the file if it exists.")
    var force: Bool = false

    @Flag(help: "Print JSON.")
    var json: Bool = false

    /// A format of either sort.
    private enum Form {
        case own(DiskFormat)
        case foreign(ForeignFormat)

        init(_ name: String?, of path: FilePath) throws {
            let named = name.map { FilePath("disk.\($0)") } ?? path
            if let format = DiskFormat(path: named), name == nil || format.description == name {
                self = .own(format)
            } else if let format = ForeignFormat(path: named) {
                self = .foreign(format)
            } else {
                throw ProgramFailure(
                    name.map { "there is no format '\($0)'; formats are \(DiskConvertCommand.formats)" }
                        ?? "the extension of '\(path)' names no format; formats are \(DiskConvertCommand.formats)",
                    exitCode: ProgramFailure.wrongUse)
            }
        }
    }

    func run() async throws {
        let from = try DiskLocation(existing: source)
        let to = try DiskLocation(new: target)
        let (old, new) = (try Form(sourceFormat, of: from.path), try Form(format, of: to.path))
        try to.checkIsNoMachines()
        guard force || (try? FileStore(opening: to.path, access: .readOnly)) == nil else {
            throw ProgramFailure("'\(target)' exists already; choose another name, or say --force")
        }
        let size = try DiskOperation.run {
            switch (old, new) {
            case (.own(let old), .own(let new)): try convert(from, old, to.path, new)
            case (.own(let old), .foreign(let new)): try export(from, old, to.path, new)
            case (.foreign(let old), .own(let new)): try take(from.path, old, to.path, new)
            case (.foreign, .foreign):
                throw ProgramFailure(
                    "of two foreign formats one must be vhd, vhdx or raw; convert in two steps",
                    exitCode: ProgramFailure.wrongUse)
            }
        }
        guard json else { return }
        let document: JSON = .members([
            "format": "fermata-disk-convert", "version": 1, "path": .string(to.path.string), "size": .integer(size),
        ])
        try ProgramOutput.data(document.pretty)
    }

    private func open(_ location: DiskLocation, _ format: DiskFormat) throws -> DiskChain {
        try DiskUse(of: location, format).checkIsStill()
        let chain = try DiskChain.open(
            location.path, beneath: location.root, access: .readOnly, format: format, sizeMode: sizeMode.mode)
        chain.tellWarnings()
        return chain
    }

    private func convert(
        _ from: DiskLocation, _ old: DiskFormat, _ to: FilePath, _ new: DiskFormat
    ) throws -> UInt64 {
        let line = DiskProgressLine("converting")
        defer { line.end() }
        return try DiskConversion.convert(
            open(from, old), to: to, format: new, kind: fixed ? .fixed : .dynamic, replacing: force,
            progress: line.progress
        ).size
    }

    private func export(
        _ from: DiskLocation, _ old: DiskFormat, _ to: FilePath, _ new: ForeignFormat
    ) throws -> UInt64 {
        guard !fixed else {
            throw ProgramFailure("only vhd, vhdx and raw files are made fixed", exitCode: ProgramFailure.wrongUse)
        }
        let disk = try open(from, old)
        let draft = try DiskDraft(of: to, replacing: force)
        try draft.makeEmpty()
        try ForeignConversion(format: new, file: draft.path).write(disk)
        try draft.commit()
        return disk.size
    }

    private func take(
        _ from: FilePath, _ old: ForeignFormat, _ to: FilePath, _ new: DiskFormat
    ) throws -> UInt64 {
        guard sizeMode.mode == .auto else {
            throw ProgramFailure(
                "only a vhd has two sizes to choose from; leave --size-mode out", exitCode: ProgramFailure.wrongUse)
        }
        try old.check(from)
        let foreign = ForeignConversion(format: old, file: from)
        let size = try foreign.size()
        let draft = try DiskDraft(of: to, replacing: force)
        let disk = try draft.create(format: new, size: (size + 511) / 512 * 512, kind: fixed ? .fixed : .dynamic)
        try foreign.read(into: disk)
        try disk.close()
        try draft.commit()
        return disk.size
    }
}

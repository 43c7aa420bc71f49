// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Fermata
import FermataModel
import SystemPackage
import VirtualDisk

/// `fermata disk info`.
struct DiskInfoCommand: AsyncParsableCommand {
    static let configuration: CommandConfiguration = CommandConfiguration(
        commandName: "info", abstract: "Tell what a disk is, and from which disks it grew.")

    @Argument(help: "The disk's file.", completion: .file())
    var file: String

    @OptionGroup var format: DiskFormatOption

    @OptionGroup var sizeMode: DiskSizeModeOption

    @Flag(help: "Print JSON.")
    var json: Bool = false

    func run() async throws {
        let location = try DiskLocation(existing: file)
        let format = try format.format(of: location.path)
        let info = try DiskOperation.run {
            try DiskInfo.inspect(
                location.path, beneath: location.root, format: format, sizeMode: sizeMode.mode)
        }
        try ProgramOutput.data(json ? info.json.pretty : info.text)
        for warning in info.warnings { ProgramOutput.message("\(ProgramOutput.name): warning: \(warning)") }
        if let problem = info.problem { ProgramOutput.message("\(ProgramOutput.name): warning: \(problem)") }
    }
}

extension DiskInfo {
    /// The document about the disk.
    var json: JSON {
        .members([
            "format": "fermata-disk",
            "version": 1,
            "path": .string(path.string),
            "type": .string(format.description),
            "kind": .string(kind.rawValue),
            "size": .integer(size),
            "allocated": .integer(allocated),
            "id": identity.map { .string($0.description) },
            "parent": parent.map { parent in
                .members([
                    "id": .string(parent.identity.description), "path": parent.path.map { .string($0.string) },
                    "relation": .string(parent.relation.rawValue),
                ])
            },
            "chain": .array(chain.map { .string($0.string) }),
            "links": .array(links.map(\.json)),
        ])
    }

    fileprivate var text: String {
        var rows = [
            ["path", path.string], ["type", "\(format), \(kind.rawValue)"],
            ["size", "\(ByteSize(bytes: size)) (\(size) bytes)"], ["allocated", "\(ByteSize(bytes: allocated))"],
        ]
        if let identity { rows.append(["id", identity.description]) }
        if let parent {
            rows.append(["parent", "\(parent.path?.string ?? "unknown") (\(parent.relation.rawValue))"])
            rows.append(["", parent.identity.description])
        }
        for (index, path) in chain.dropFirst().enumerated() { rows.append([index == 0 ? "chain" : "", path.string]) }
        for link in links { rows += link.rows }
        return table(rows)
    }
}

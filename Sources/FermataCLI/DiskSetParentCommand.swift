// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Fermata
import FermataModel
import SystemPackage
import VirtualDisk

/// `fermata disk set-parent`.
struct DiskSetParentCommand: AsyncParsableCommand {
    static let configuration: CommandConfiguration = CommandConfiguration(
        commandName: "set-parent", abstract: "Give a child another parent, or the same one in another place.")

    @Argument(help: "The child.", completion: .file())
    var child: String

    @Argument(help: "The parent.", completion: .file())
    var parent: String

    @Flag(help: "Take a disk that is another one by its identity.")
    var ignoreIdMismatch: Bool = false

    @Flag(help: "Tell what speaks for it, and change nothing.")
    var dryRun: Bool = false

    @Flag(help: "Print JSON.")
    var json: Bool = false

    func run() async throws {
        let location = try DiskLocation(existing: child)
        let target = try DiskLocation(existing: parent)
        if !dryRun { try location.checkIsNoMachines() }
        let result = try DiskOperation.run {
            try DiskReparenting.setParent(
                of: location.path, to: target.path, beneath: location.root, ignoringIdentity: ignoreIdMismatch,
                isDryRun: dryRun)
        }
        try ProgramOutput.data(json ? result.json.pretty : result.text)
    }
}

extension DiskReparenting {
    /// The document about the change.
    fileprivate var json: JSON {
        .members([
            "format": "fermata-disk-set-parent", "version": 1, "child": .string(child.string),
            "parent": .string(parent.string), "same": .bool(isSame),
            "recorded": .members([
                "id": .string(recorded.identity.description), "name": .string(recorded.name),
                "time": recorded.modificationTime.map { .integer(UInt64(clamping: $0)) },
                "paths": .array((recorded.relativePaths + recorded.absolutePaths).map { .string($0) }),
            ]),
            "found": .members([
                "id": .string(identity.description), "time": .integer(UInt64(clamping: modificationTime)),
            ]),
            "backup": backup.map { .string($0.string) },
        ])
    }

    fileprivate var text: String {
        var rows = [
            ["child", child.string], ["parent", parent.string],
            ["identity", isSame ? "\(identity), as recorded" : "\(identity), but \(recorded.identity) is recorded"],
        ]
        if let time = recorded.modificationTime {
            let isSameTime = time == modificationTime
            rows.append(["changed", isSameTime ? "when it was recorded" : "at another time than was recorded"])
        }
        rows.append(backup.map { ["replaced bytes", $0.string] } ?? ["", "nothing was changed"])
        return table(rows)
    }
}

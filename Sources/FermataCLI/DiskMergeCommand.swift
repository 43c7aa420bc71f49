// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Fermata
import FermataModel
import SystemPackage
import VirtualDisk

/// `fermata disk merge`.
struct DiskMergeCommand: AsyncParsableCommand {
    static let configuration: CommandConfiguration = CommandConfiguration(
        commandName: "merge", abstract: "Merge a disk into its parent, or into a disk that grew from it.",
        discussion: """
            The disk that stays keeps its name; those that were merged are removed, and their other children get it as \
            their parent. A disk from which others grew is never merged into: merge it into its child instead.
            """)

    @Argument(help: "The disk to merge.", completion: .file())
    var disk: String

    @Option(help: "The disk that stays: an ancestor or a descendant; its parent unless said.", completion: .file())
    var into: String?

    @Flag(help: "Print JSON.")
    var json: Bool = false

    func run() async throws {
        let location = try DiskLocation(existing: disk)
        let target = try into.map { try DiskLocation(existing: $0) }
        for place in [location, target].compactMap(\.self) { try place.checkIsNoMachines() }
        let line = DiskProgressLine("merging")
        let merge = try DiskOperation.run {
            defer { line.end() }
            return try DiskMerge.merge(
                location.path, into: target?.path, beneath: location.root, progress: line.progress)
        }
        try ProgramOutput.data(json ? merge.json.pretty : merge.text)
    }
}

extension DiskMerge {
    /// The document about the merge.
    fileprivate var json: JSON {
        .members([
            "format": "fermata-disk-merge", "version": 1, "target": .string(target.string),
            "removed": .array(removed.map { .string($0.string) }), "kept": .array(kept.map { .string($0.string) }),
            "relinked": .array(relinked.map { .string($0.string) }), "copied": .integer(copied),
        ])
    }

    fileprivate var text: String {
        var rows = [["merged into", target.string]]
        for path in removed { rows.append(["removed", path.string]) }
        for path in kept { rows.append(["kept for others", path.string]) }
        for path in relinked { rows.append(["is its child now", path.string]) }
        return table(rows)
    }
}

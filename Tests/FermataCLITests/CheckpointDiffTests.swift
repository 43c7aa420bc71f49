// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import StorageTestSupport
import Testing

/// `checkpoint create --kind` and `checkpoint diff` as they are typed.
@Suite struct CheckpointDiffTests {
    private func run(_ arguments: [String], in folder: TestFolder) async throws -> Program.Result {
        try await Program.fermata.run(arguments + ["--store", "lab"], in: folder.path)
    }

    @Test func `checkpoints differ in what was changed between them, and are alike otherwise`() async throws {
        let folder = try TestFolder()
        for command in [
            ["vm", "create", "web", "--memory", "64M", "--disk", "1M"], ["checkpoint", "create", "web", "one"],
            ["checkpoint", "create", "web", "two", "--kind", "disk-only"],
            ["vm", "set", "web", "--memory", "128M", "--processors", "2"],
        ] {
            #expect(try await run(command, in: folder).code == 0, "\(command)")
        }
        let before = try folder.contents()
        let alike = try await run(["checkpoint", "diff", "web", "one", "two"], in: folder)
        #expect(alike.code == 0 && alike.output == "they are alike\n" && alike.messages.isEmpty, "\(alike)")
        let changed = try await run(["checkpoint", "diff", "web", "two"], in: folder)
        #expect(
            changed.code == 0 && changed.output == "memory      64 MiB -> 128 MiB\nprocessors  1 -> 2\n", "\(changed)")
        let json = try await run(["checkpoint", "diff", "web", "one", "--json"], in: folder).json
        #expect(json["format"] == "fermata-checkpoint-diff" && json["same"] == false && json["second"] == .null)
        #expect(
            json["configuration"] == [
                ["field": "memory", "first": "64 MiB", "second": "128 MiB"],
                ["field": "processors", "first": "1", "second": "2"],
            ])
        #expect(json["disks"] == [] && json["pages"] == nil)
        let tree = try await run(["checkpoint", "tree", "web"], in: folder)
        #expect(tree.output.contains("two (disk-only)  "), "\(tree)")
        let shown = try await run(["checkpoint", "show", "web", "two", "--json"], in: folder).json
        #expect(shown["kind"] == "disk-only" && shown["memory"] == false)
        let unknown = try await run(["checkpoint", "diff", "web", "one", "tow"], in: folder)
        #expect(unknown.code == 2 && unknown.messages.contains("did you mean 'two'?"), "\(unknown)")
        let production = try await run(["checkpoint", "create", "web", "calm", "--kind", "production"], in: folder)
        #expect(production.code == 1 && production.lines.count == 1, "\(production)")
        #expect(production.messages.contains("make a standard or a disk-only one"), "\(production)")
        #expect(try folder.contents() == before)
    }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import Foundation
import StorageTestSupport
import SystemPackage
import Testing

/// `checkpoint verify`, and `--verify` of `checkpoint apply` and `revert`, as they are typed.
@Suite struct CheckpointVerifyTests {
    private func run(_ arguments: [String], in folder: TestFolder) async throws -> Program.Result {
        try await Program.fermata.run(arguments + ["--store", "lab"], in: folder.path)
    }

    @Test func `what is not as it was is told, and not applied`() async throws {
        let folder = try TestFolder()
        for command in [
            ["vm", "create", "web", "--memory", "64M", "--disk", "1M", "--kernel", "kernel", "--initrd", "initrd"],
            ["checkpoint", "create", "web", "one"], ["checkpoint", "create", "web", "two"],
        ] {
            let result = try await run(command, in: folder)
            #expect(result.code == 0, "\(command): \(result)")
        }
        let before = try folder.contents()
        let whole = try await run(["checkpoint", "verify", "web"], in: folder)
        #expect(whole.code == 0 && whole.output == "one: ok\ntwo: ok\n" && whole.messages.isEmpty, "\(whole)")
        let json = try await run(["checkpoint", "verify", "web", "two", "--json"], in: folder).json
        #expect(json["format"] == "fermata-checkpoint-verification" && json["ok"] == true && json["machine"] == "web")
        let shown = try await run(["checkpoint", "show", "web", "two", "--json"], in: folder).json
        #expect(shown["digest"]?["system"] == .string(String(repeating: "0", count: 64)), "\(shown)")
        for unknown in [["web", "tow"], ["wbe"]] {
            let result = try await run(["checkpoint", "verify"] + unknown, in: folder)
            #expect(result.code == 2 && result.lines.count == 1 && result.output.isEmpty, "\(result)")
        }
        #expect(try folder.contents() == before)

        let boot = folder.folder.appending("lab/Boot")
        for name in try FileManager.default.contentsOfDirectory(atPath: boot.string) {
            try Data("another".utf8).write(to: URL(fileURLWithPath: boot.appending(name).string))
        }
        let damaged = try folder.contents()
        let found = try await run(["checkpoint", "verify", "web", "two"], in: folder)
        #expect(found.code == 1 && found.lines == ["fermata: error: 1 checkpoint is not as it was"], "\(found)")
        #expect(found.output.hasPrefix("two: ") && found.output.contains("/lab/Boot/"), "\(found)")
        for restore in [["apply", "web", "one"], ["revert", "web"]] {
            let refused = try await run(["checkpoint"] + restore + ["--verify", "--discard"], in: folder)
            #expect(refused.code == 1 && refused.lines.count == 1, "\(refused)")
            #expect(refused.messages.contains("/lab/Boot/"), "\(refused)")
        }
        #expect(try folder.contents() == damaged)
    }
}

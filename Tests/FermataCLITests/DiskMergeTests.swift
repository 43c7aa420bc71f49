// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import Foundation
import StorageTestSupport
import SystemPackage
import Testing

@Suite struct DiskMergeTests {
    /// A folder with a base, a child and a grandchild.
    private func folder() async throws -> TestFolder {
        let folder = try TestFolder()
        try Data(SeededGenerator.some(1 << 20)).write(
            to: URL(fileURLWithPath: folder.path.appending("in.raw").string))
        for arguments in [
            ["convert", "in.raw", "a.vhd"], ["create", "b.avhd", "--parent", "a.vhd"],
            ["create", "c.avhd", "--parent", "b.avhd"],
        ] {
            let result = try await Program.fermata.run(["disk"] + arguments, in: folder.path)
            try #require(result.code == 0, "\(result)")
        }
        return folder
    }

    @Test func `children are merged into the parent, which keeps its name`() async throws {
        let folder = try await folder()
        let path = folder.path.string
        let result = try await folder.fermata("disk", "merge", "c.avhd", "--into", "a.vhd", "--json")
        #expect(result.code == 0 && result.messages.isEmpty, "\(result)")
        let json = try result.json
        #expect(json["target"] == .string("\(path)/a.vhd"))
        #expect(json["removed"] == [.string("\(path)/c.avhd"), .string("\(path)/b.avhd")])
        let left = try FileManager.default.contentsOfDirectory(atPath: path).sorted()
        #expect(left == ["a.vhd", "in.raw", "initrd", "kernel", "still.lua"])
        let tool = Tool("qemu-img")
        guard tool.isInstalled else { return print("skipped: there is no qemu-img") }
        let compared = try await tool.run(["compare", "-f", "vpc", "-F", "raw", "\(path)/a.vhd", "\(path)/in.raw"])
        #expect(compared.code == 0, "\(compared)")
    }

    @Test func `a parent is merged into its child, and siblings are never merged away`() async throws {
        let folder = try await folder()
        let path = folder.path.string
        #expect(try await folder.fermata("disk", "create", "d.avhd", "--parent", "b.avhd").code == 0)
        let before = try folder.contents()
        let refused = try await folder.fermata("disk", "merge", "c.avhd")
        #expect(refused.code == 1 && refused.lines.count == 1, "\(refused)")
        #expect(
            refused.messages == "fermata: error: \(path)/b.avhd: other disks grew from this one and would change with "
                + "it: merge it into its child instead, with --into \(path)/c.avhd (found \(path)/d.avhd)\n")
        let wrong = try await folder.fermata("disk", "merge", "c.avhd", "--into", "d.avhd")
        #expect(wrong.code == 2 && wrong.lines.count == 1, "\(wrong)")
        #expect(try folder.contents() == before)
        let merged = try await folder.fermata("disk", "merge", "b.avhd", "--into", "c.avhd", "--json")
        #expect(merged.code == 0, "\(merged)")
        #expect(try merged.json["kept"] == [.string("\(path)/b.avhd")])
        let info = try await folder.fermata("disk", "info", "c.avhd", "--json").json
        #expect(info["chain"] == [.string("\(path)/c.avhd"), .string("\(path)/a.vhd")])
    }

    @Test func `the disks of machines follow their checkpoints`() async throws {
        let folder = try TestFolder()
        #expect(try await folder.fermata("run", "still.lua").code == 0)
        let show = try await folder.fermata("vm", "show", "web", "--json").json
        let disk = try #require(show["disks"]?.elements.first?["path"]?.text)
        let before = try folder.contents()
        let result = try await folder.fermata("disk", "merge", disk)
        #expect(result.code == 1 && result.messages.contains("belongs to machine 'web'"), "\(result)")
        #expect(try folder.contents() == before)
    }
}

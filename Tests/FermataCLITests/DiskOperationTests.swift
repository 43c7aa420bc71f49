// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import Foundation
import StorageTestSupport
import SystemPackage
import Testing

@Suite struct DiskOperationTests {
    @Test func `a disk is resized, mapped, compared and given a parent`() async throws {
        let folder = try TestFolder()
        let path = folder.path.string
        let bytes = Data(SeededGenerator.some(1 << 20) + [UInt8](repeating: 0, count: 3 << 20))
        try bytes.write(to: URL(fileURLWithPath: "\(path)/in.raw"))
        #expect(try await folder.fermata("disk", "convert", "in.raw", "a.vhd").code == 0)
        let grown = try await folder.fermata("disk", "resize", "a.vhd", "8M", "--json")
        #expect(try grown.code == 0 && grown.json["size"] == .integer(8 << 20))
        let map = try await folder.fermata("disk", "map", "a.vhd", "--json").json.elements
        #expect(map.first?["data"] == .bool(true) && map.first?["depth"] == .integer(0))
        #expect(map.last?["zero"] == .bool(true))
        let difference = try await folder.fermata("disk", "diff", "in.raw", "a.vhd", "--json").json
        #expect(difference["same"] == .bool(false))
        #expect(difference["extents"] == [.members(["start": .integer(4 << 20), "length": .integer(4 << 20)])])
        let small = try await folder.fermata("disk", "resize", "a.vhd", "512K")
        #expect(small.code == 2 && small.messages.contains("data behind its new end"), "\(small)")
        #expect(try await folder.fermata("disk", "resize", "a.vhd", "4M").code == 0)
        let same = try await folder.fermata("disk", "diff", "in.raw", "a.vhd")
        #expect(same.code == 0 && same.output == "the disks are alike\n")

        #expect(try await folder.fermata("disk", "create", "b.avhd", "--parent", "a.vhd").code == 0)
        try FileManager.default.moveItem(atPath: "\(path)/a.vhd", toPath: "\(path)/moved.vhd")
        let before = try folder.contents()
        let dry = try await folder.fermata("disk", "set-parent", "b.avhd", "moved.vhd", "--dry-run", "--json")
        #expect(try dry.code == 0 && dry.json["same"] == .bool(true))
        #expect(try folder.contents() == before)
        let set = try await folder.fermata("disk", "set-parent", "b.avhd", "moved.vhd", "--json")
        #expect(try set.code == 0 && set.json["backup"] == .string("\(path)/b.avhd.backup-1"))
        let info = try await folder.fermata("disk", "info", "b.avhd", "--json")
        #expect(info.messages.isEmpty)
        #expect(try info.json["chain"] == [.string("\(path)/b.avhd"), .string("\(path)/moved.vhd")])
        #expect(try await folder.fermata("disk", "create", "other.vhd", "--size", "4M").code == 0)
        let wrong = try await folder.fermata("disk", "set-parent", "b.avhd", "other.vhd")
        #expect(wrong.code == 1 && wrong.messages.contains("--ignore-id-mismatch"), "\(wrong)")
    }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import Foundation
import StorageTestSupport
import SystemPackage
import Testing

@Suite struct DiskSizeModeTests {
    @Test func `a disk that another program made is read by the size that is asked for`() async throws {
        let folder = try TestFolder()
        let path = folder.path.appending("a.vhd").string
        #expect(try await folder.fermata("disk", "create", "a.vhd", "--size", "64M").code == 0)
        // As old QEMU marks its disks.
        var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
        for footer in [0, bytes.count - 512] {
            bytes.replaceSubrange(footer + 28..<footer + 32, with: Data("qemu".utf8))
            bytes.replaceSubrange(footer + 64..<footer + 68, with: Data(count: 4))
            let sum = ~bytes[footer..<footer + 512].reduce(0 as UInt32) { $0 &+ UInt32($1) }
            bytes.replaceSubrange(
                footer + 64..<footer + 68, with: Data([24, 16, 8, 0].map { UInt8(truncatingIfNeeded: sum >> $0) }))
        }
        try bytes.write(to: URL(fileURLWithPath: path))
        let auto = try await folder.fermata("disk", "info", "a.vhd", "--json")
        #expect(try auto.json["size"] == .integer(67_055_616))
        #expect(auto.lines.count == 1 && auto.messages.contains("warning: "), "\(auto)")
        for (mode, size) in [("current", 64 << 20), ("geometry", 67_055_616)] as [(String, UInt64)] {
            let info = try await folder.fermata("disk", "info", "a.vhd", "--json", "--size-mode", mode)
            #expect(try info.json["size"] == .integer(size) && info.messages.isEmpty, "\(info)")
            let check = try await folder.fermata("disk", "check", "a.vhd", "--size-mode", mode)
            #expect(check.code == 0, "\(check)")
            let map = try await folder.fermata("disk", "map", "a.vhd", "--json", "--size-mode", mode).json.elements
            #expect(map.last?["length"] == .integer(size))
            let copy = try await folder.fermata(
                "disk", "convert", "a.vhd", "\(mode).raw", "--size-mode", mode, "--json")
            #expect(try copy.code == 0 && copy.json["size"] == .integer(size), "\(copy)")
            let same = try await folder.fermata("disk", "diff", "a.vhd", "\(mode).raw", "--size-mode", mode)
            #expect(same.output == "the disks are alike\n", "\(same)")
        }
        let before = try folder.contents()
        for arguments in [
            ["serve", "a.vhd", "--socket", "s", "--size-mode", "current"], ["info", "a.vhd", "--size-mode", "chs"],
            ["info", "current.raw", "--size-mode", "current"],
            ["check", "a.vhd", "--repair", "--size-mode", "current"],
            ["check", "current.raw", "--size-mode", "current"],
        ] {
            let wrong = try await Program.fermata.run(["disk"] + arguments, in: folder.path)
            #expect(wrong.code == 2 && wrong.lines.count == 1, "\(wrong)")
        }
        #expect(try folder.contents() == before)
    }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import Foundation
import StorageTestSupport
import SystemPackage
import Testing

@Suite struct DiskConvertTests {
    private let bytes = SeededGenerator.some(3 << 20) + [UInt8](repeating: 0, count: 5 << 20)

    private func folder() throws -> TestFolder {
        let folder = try TestFolder()
        try Data(bytes).write(to: URL(fileURLWithPath: folder.path.appending("in.raw").string))
        return folder
    }

    @Test func `a disk goes through every format and comes back`() async throws {
        let folder = try folder()
        let isForeign = Tool("qemu-img").isInstalled
        if !isForeign { print("there is no qemu-img: foreign formats are left out") }
        let names = ["a.vhd", "b.raw"] + (isForeign ? ["c.qcow2", "d.vhd", "e.vmdk", "f.raw", "g.vdi", "h.vhd"] : [])
        var last = "in.raw"
        for name in names {
            let result = try await folder.fermata("disk", "convert", last, name, "--json")
            #expect(result.code == 0 && result.messages.isEmpty, "\(result)")
            #expect(try result.json["size"] == .integer(UInt64(bytes.count)))
            last = name
        }
        #expect(try await folder.fermata("disk", "convert", last, "out.raw").code == 0)
        let out = FileManager.default.contents(atPath: folder.path.appending("out.raw").string)
        #expect(out == Data(bytes))
        let left = try FileManager.default.contentsOfDirectory(atPath: folder.path.string)
        #expect(!left.contains { $0.hasPrefix(".") }, "\(left)")
    }

    @Test func `a child becomes a disk of its own, and takes no space for zeros`() async throws {
        let folder = try folder()
        #expect(try await folder.fermata("disk", "convert", "in.raw", "a.vhd").code == 0)
        #expect(try await folder.fermata("disk", "create", "b.avhd", "--parent", "a.vhd").code == 0)
        #expect(try await folder.fermata("disk", "convert", "b.avhd", "c.vhd").code == 0)
        let info = try await folder.fermata("disk", "info", "c.vhd", "--json").json
        #expect(info["kind"] == "dynamic")
        let allocated = try #require(info["allocated"]?.number)
        #expect(allocated >= 3 << 20 && allocated < 5 << 20)
        let tool = Tool("qemu-img")
        guard tool.isInstalled else { return print("skipped: there is no qemu-img") }
        let paths = ["c.vhd", "in.raw"].map { folder.path.appending($0).string }
        let result = try await tool.run(["compare", "-f", "vpc", "-F", "raw"] + paths)
        #expect(result.code == 0, "\(result)")
    }

    @Test func `what is there is replaced when that is said, and never the source or its parent`() async throws {
        let folder = try folder()
        #expect(try await folder.fermata("disk", "convert", "in.raw", "a.vhd").code == 0)
        #expect(try await folder.fermata("disk", "create", "b.avhd", "--parent", "a.vhd").code == 0)
        let before = try folder.contents()
        for (arguments, code, message) in [
            (["in.raw", "a.vhd"], 1 as Int32, "exists already"), (["b.avhd", "a.vhd", "--force"], 2, "read through"),
            (["a.vhd", "a.vhd", "--force"], 2, "read through"), (["in.raw", "a.txt"], 2, "names no format"),
            (["in.raw", "a.vhd", "--force"], 1, "grew from this one"),
            (["in.raw", "a.img", "--format", "iso"], 2, "there is no format"), (["none.raw", "x.vhd"], 2, "no disk"),
        ] {
            let result = try await Program.fermata.run(["disk", "convert"] + arguments, in: folder.path)
            #expect(result.code == code && result.lines.count == 1, "\(result)")
            #expect(result.messages.contains(message), "\(result)")
        }
        #expect(try folder.contents() == before)
        #expect(try await folder.fermata("disk", "convert", "in.raw", "b.avhd", "--force").code == 0)
        #expect(try await folder.fermata("disk", "info", "b.avhd", "--json").json["kind"] == "dynamic")
    }

    @Test func `a foreign file that would have another one read is refused`() async throws {
        let tool = Tool("qemu-img")
        guard tool.isInstalled else { return print("skipped: there is no qemu-img") }
        let folder = try folder()
        let path = { (name: String) in folder.path.appending(name).string }
        for arguments in [
            ["-f", "qcow2", "-F", "raw", "-b", path("in.raw"), path("backed.qcow2")],
            ["-f", "qcow2", "-o", "data_file=\(path("data"))", path("split.qcow2"), "1M"],
            ["-f", "vmdk", path("base.vmdk"), "1M"],
            ["-f", "vmdk", "-F", "vmdk", "-b", path("base.vmdk"), path("backed.vmdk")],
            ["-f", "vmdk", "-o", "subformat=monolithicFlat", path("flat.vmdk"), "1M"],
        ] {
            let made = try await tool.run(["create", "-q"] + arguments)
            try #require(made.code == 0, "\(made)")
        }
        for name in ["backed.qcow2", "split.qcow2", "backed.vmdk", "flat.vmdk"] {
            let result = try await folder.fermata("disk", "convert", name, "out.raw")
            #expect(result.code == 1 && result.lines.count == 1, "\(name): \(result)")
        }
        // What a guest wrote to a raw disk says nothing about it.
        try FileManager.default.copyItem(atPath: path("backed.qcow2"), toPath: path("forged.raw"))
        let size = try FileManager.default.attributesOfItem(atPath: path("forged.raw"))[.size] as? Int ?? 0
        let file = try #require(FileHandle(forUpdatingAtPath: path("forged.raw")))
        try file.truncate(atOffset: UInt64((size + 511) / 512 * 512))
        #expect(try await folder.fermata("disk", "convert", "forged.raw", "x.vhd").code == 0)
        #expect(try await folder.fermata("disk", "convert", "x.vhd", "y.raw").code == 0)
        #expect(FileManager.default.contents(atPath: path("y.raw"))?.prefix(4) == Data("QFI".utf8 + [0xFB]))
    }
}

extension SeededGenerator {
    /// Bytes that are always the same.
    static func some(_ count: Int) -> [UInt8] {
        var generator = SeededGenerator(seed: 4)
        return generator.bytes(count)
    }
}

extension JSON {
    /// The whole number.
    fileprivate var number: UInt64? {
        if case .number(let number) = self { UInt64(number.text) } else { nil }
    }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import Foundation
import StorageTestSupport
import Subprocess
import SystemPackage
import Testing

@Suite struct DiskTests {
    @Test func `disks are made and told about`() async throws {
        let folder = try TestFolder()
        let path = folder.path.string
        #expect(try await folder.fermata("disk", "create", "base.vhd", "--size", "64M").code == 0)
        let child = try await folder.fermata("disk", "create", "child.avhd", "--parent", "base.vhd", "--json")
        #expect(child.code == 0)
        let info = try await folder.fermata("disk", "info", "child.avhd", "--json").json
        #expect(try child.json == info)
        #expect(info["type"] == "vhd" && info["kind"] == "differencing" && info["size"] == .integer(64 << 20))
        #expect(info["chain"] == [.string("\(path)/child.avhd"), .string("\(path)/base.vhd")])
        #expect(info["parent"]?["relation"] == "ok")
        let base = try await folder.fermata("disk", "info", "base.vhd", "--json").json
        #expect(base["kind"] == "dynamic" && base["parent"] == nil && info["parent"]?["id"] == base["id"])
        #expect(try await folder.fermata("disk", "create", "fixed.vhd", "--size", "1M", "--fixed").code == 0)
        #expect(try await folder.fermata("disk", "info", "fixed.vhd", "--json").json["kind"] == "fixed")
        #expect(try await folder.fermata("disk", "create", "raw", "--size", "512", "--format", "raw").code == 0)
        #expect(try await folder.fermata("disk", "info", "raw", "--format", "raw", "--json").json["type"] == "raw")

        let before = try folder.contents()
        let again = try await folder.fermata("disk", "create", "base.vhd", "--size", "64M")
        #expect(again.code == 1 && again.messages.contains("exists already"))
        #expect(try folder.contents() == before)

        try FileManager.default.removeItem(atPath: "\(path)/base.vhd")
        let orphan = try await folder.fermata("disk", "info", "child.avhd", "--json")
        #expect(orphan.code == 0 && orphan.messages.contains("the parent is missing"))
        #expect(try orphan.json["parent"]?["relation"] == "missing")
    }

    @Test(arguments: ["vhd", "vhdx"])
    func `the evidence for every parent of a chain is told`(_ format: String) async throws {
        let folder = try TestFolder()
        let path = folder.path.string
        #expect(try await folder.fermata("disk", "create", "a.\(format)", "--size", "4M").code == 0)
        #expect(try await folder.fermata("disk", "create", "b.a\(format)", "--parent", "a.\(format)").code == 0)
        #expect(try await folder.fermata("disk", "create", "c.a\(format)", "--parent", "b.a\(format)").code == 0)
        let info = try await folder.fermata("disk", "info", "c.a\(format)", "--json").json
        let base = try await folder.fermata("disk", "info", "a.\(format)", "--json").json
        #expect(base["links"] == .array([]))
        let links = try #require(info["links"]).elements
        #expect(links.map { $0["child"]?.text } == ["\(path)/c.a\(format)", "\(path)/b.a\(format)"])
        for (link, name) in zip(links, ["b.a\(format)", "a.\(format)"]) {
            #expect(link["relation"] == "ok" && link["found"]?["path"] == .string("\(path)/\(name)"))
            #expect(link["found"]?["by"] == "path" && link["found"]?["through"] == .string(".\\\(name)"))
            #expect(link["recorded"]?["relativePaths"] == .array([.string(".\\\(name)")]))
            #expect(link["agrees"]?["id"] == .bool(true))
            #expect(link["recorded"]?["id"] == link["found"]?["id"])
            #expect(link["agrees"]?["time"] == (format == "vhd" ? .bool(true) : nil))
            #expect(link["recorded"]?["name"] == (format == "vhd" ? .string(name) : nil))
        }
        #expect(links[1]["found"]?["id"] == base["id"])

        // Elsewhere, changed at another time; then another disk in its place; then none.
        try FileManager.default.createDirectory(atPath: "\(path)/old", withIntermediateDirectories: false)
        try FileManager.default.moveItem(atPath: "\(path)/a.\(format)", toPath: "\(path)/old/moved.\(format)")
        try FileManager.default.setAttributes(
            [.modificationDate: Date(timeIntervalSince1970: 1_500_000_000)], ofItemAtPath: "\(path)/old/moved.\(format)"
        )
        let moved = try await folder.fermata("disk", "info", "c.a\(format)", "--json")
        let evidence = try #require(try moved.json["links"]?.elements.last)
        #expect(evidence["found"]?["by"] == "identity" && evidence["found"]?["time"] == .integer(1_500_000_000))
        #expect(evidence["agrees"]?["time"] == (format == "vhd" ? .bool(false) : nil))
        let text = try await folder.fermata("disk", "info", "c.a\(format)").output
        #expect(text.contains("through its identity") && text.contains("changed 2017-07-14T02:40:00Z"), "\(text)")
        #expect(text.contains(format == "vhd" ? "not when it was recorded" : "linkage"))

        #expect(try await folder.fermata("disk", "create", "other.\(format)", "--size", "4M").code == 0)
        try FileManager.default.moveItem(atPath: "\(path)/other.\(format)", toPath: "\(path)/a.\(format)")
        try FileManager.default.removeItem(atPath: "\(path)/old/moved.\(format)")
        let other = try await folder.fermata("disk", "info", "c.a\(format)", "--json")
        let wrong = try #require(try other.json["links"]?.elements.last)
        #expect(wrong["relation"] == "mismatch" && wrong["agrees"]?["id"] == .bool(false))
        #expect(wrong["found"]?["path"] == .string("\(path)/a.\(format)"))
        try FileManager.default.removeItem(atPath: "\(path)/a.\(format)")
        let gone = try await folder.fermata("disk", "info", "c.a\(format)")
        #expect(gone.code == 0 && gone.output.contains("found     nothing"), "\(gone)")
    }

    @Test func `a name that would control the terminal is told in letters`() async throws {
        let folder = try TestFolder()
        #expect(try await folder.fermata("disk", "create", "a.vhd", "--size", "4M").code == 0)
        #expect(try await folder.fermata("disk", "create", "b.avhd", "--parent", "a.vhd").code == 0)
        let file = URL(fileURLWithPath: folder.path.appending("b.avhd").string)
        var bytes = try Data(contentsOf: file)
        let name = "\u{1B}[2J\u{202E}a.vhd".utf16.flatMap { [UInt8($0 >> 8), UInt8(truncatingIfNeeded: $0)] }
        bytes.replaceSubrange(576..<576 + name.count, with: name)
        bytes.replaceSubrange(548..<552, with: Data(count: 4))
        let sum = ~bytes[512..<1536].reduce(0 as UInt32) { $0 &+ UInt32($1) }
        bytes.replaceSubrange(548..<552, with: [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: sum >> $0) })
        try bytes.write(to: file)
        let link = try await folder.fermata("disk", "info", "b.avhd", "--json").json["links"]?.elements.first
        #expect(link?["recorded"]?["name"] == .string("\\u{1B}[2J\\u{202E}a.vhd"), "\(String(describing: link))")
        let text = try await folder.fermata("disk", "info", "b.avhd")
        #expect(text.code == 0 && text.output.contains("name '\\u{1B}[2J\\u{202E}a.vhd'"), "\(text)")
        #expect(!text.output.unicodeScalars.contains { $0.value == 0x1B || $0.value == 0x202E })
    }

    @Test func `others read the disks that are made`() async throws {
        let tool = Tool("qemu-img")
        guard tool.isInstalled else { return print("skipped: there is no qemu-img") }
        let folder = try TestFolder()
        #expect(try await folder.fermata("disk", "create", "a.vhd", "--size", "64M").code == 0)
        let result = try await tool.run(["info", "--output=json", folder.path.appending("a.vhd").string])
        #expect(try JSON(parsing: result.output)["format"] == "vpc")
    }

    @Test func `a disk is served until SIGTERM`() async throws {
        let tool = Tool("nbdcopy")
        guard tool.isInstalled else { return print("skipped: there is no nbdcopy") }
        let folder = try TestFolder()
        let bytes = Data((0..<1 << 20).map { UInt8(truncatingIfNeeded: $0 / 4096 &* 7) })
        try bytes.write(to: URL(fileURLWithPath: folder.path.appending("in.raw").string))
        #expect(try await folder.fermata("disk", "create", "a.vhd", "--size", "1M").code == 0)
        try await serving("a.vhd", in: folder) { uri in
            let result = try await tool.run(["--flush", folder.path.appending("in.raw").string, uri])
            #expect(result.code == 0, "\(result)")
            let busy = try await folder.fermata("disk", "resize", "a.vhd", "2M")
            #expect(busy.code == 1 && busy.messages.contains("another command is changing the disk"), "\(busy)")
        }
        // Left behind by a server that died, the socket is replaced.
        try await serving("a.vhd", "--read-only", in: folder) { uri in
            let copy = folder.path.appending("out.raw").string
            let reading = try await tool.run([uri, copy])
            #expect(reading.code == 0)
            #expect(FileManager.default.contents(atPath: copy) == bytes)
            let writing = try await tool.run([folder.path.appending("in.raw").string, uri])
            #expect(writing.code != 0)
        }
    }

    /// Serves a disk while a body runs, ends the server with SIGTERM, and expects exit code 0.
    func serving(
        _ arguments: String..., in folder: TestFolder, _ body: @escaping @Sendable (String) async throws -> Void
    ) async throws {
        let result = try await Subprocess.run(
            .path(try Program.fermata.path), arguments: Arguments(["disk", "serve"] + arguments + ["--socket", "s"]),
            workingDirectory: folder.path, input: .none, output: .sequence, error: .string(limit: 1 << 20)
        ) { execution in
            for try await line in execution.standardOutput.strings() {
                try await body(line.trimmingCharacters(in: .newlines))
                try execution.send(signal: .terminate)
            }
        }
        #expect(result.terminationStatus.exitCode == 0)
    }

    @Test func `what others need is not written to`() async throws {
        let folder = try TestFolder()
        #expect(try await folder.fermata("run", "still.lua").code == 0)
        let show = try await folder.fermata("checkpoint", "show", "web", "clean", "--json").json
        let held = try #require(show["disks"]?.elements.first?["path"]?.text)
        let base = folder.path.appending(".fermata/web/web.vhd").string
        let before = try folder.contents()
        for (disk, message) in [(held, "is held by checkpoint 'clean'"), (base, "is")] {
            let result = try await folder.fermata("disk", "serve", disk, "--socket", "s")
            #expect(result.code == 1, "\(result)")
            #expect(result.lines.count == 1 && result.messages.contains(message), "\(result)")
        }
        #expect(try folder.contents() == before)
    }

    @Test func `a machine whose disk is served for writing is in use`() async throws {
        let folder = try TestFolder()
        #expect(try await folder.fermata("run", "still.lua").code == 0)
        let show = try await folder.fermata("vm", "show", "web", "--json").json
        let disk = try #require(show["disks"]?.elements.first?["path"]?.text)
        try await serving(disk, in: folder) { uri in
            #expect(uri == "nbd+unix:///?socket=\(folder.path)/s")
            let run = try await folder.fermata("run", "still.lua")
            #expect(run.code == 2 && run.messages.contains("machine 'web' is running"), "\(run)")
            let other = try await folder.fermata("disk", "serve", disk, "--socket", "other", "--read-only")
            #expect(other.code == 1 && other.messages.contains("is in use"), "\(other)")
            let same = try await folder.fermata("disk", "serve", "kernel", "--format", "raw", "--socket", "s")
            #expect(same.code != 0)
        }
        #expect(try await folder.fermata("run", "still.lua").code == 0)
    }
}

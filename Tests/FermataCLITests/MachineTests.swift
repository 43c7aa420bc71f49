// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import Foundation
import Glibc
import StorageTestSupport
import SystemPackage
import Testing

/// Commands that act on machines, as far as they need no hypervisor: the machines stay off.
@Suite struct MachineTests {
    private func made(_ arguments: [String] = []) async throws -> TestFolder {
        let folder = try TestFolder()
        let create = ["vm", "create", "web", "--memory", "1M", "--disk", "1M", "--store", "lab"]
        let result = try await Program.fermata.run(create + arguments, in: folder.path)
        #expect(result.code == 0 && result.output.isEmpty && result.messages.isEmpty, "\(result)")
        return folder
    }

    private func run(_ arguments: String..., in folder: TestFolder) async throws -> Program.Result {
        try await Program.fermata.run(arguments + ["--store", "lab"], in: folder.path)
    }

    @Test func `a machine is made, held, brought back and deleted`() async throws {
        let folder = try await made([
            "--disk", "data=2M", "--format", "vhdx", "--processors", "2", "--kernel", "kernel", "--initrd", "initrd",
            "--arguments", "quiet",
        ])
        let show = try await run("vm", "show", "web", "--json", in: folder).json
        #expect(show["state"] == "off" && show["processors"] == 2 && show["memory"] == 1_048_576)
        #expect(show["disks"]?.elements.map { $0["name"] } == ["system", "data"])
        #expect(show["disks"]?.elements.allSatisfy { $0["path"]?.text?.hasSuffix(".vhdx") == true } == true)
        #expect(show["boot"]?["arguments"] == "quiet")

        let created = try await run("checkpoint", "create", "web", "clean", "--notes", "a note", "--json", in: folder)
        let outcome = try created.json
        guard case .object(let members) = outcome else {
            Issue.record("\(created)")
            return
        }
        #expect(
            members.keys.sorted() == ["durableMilliseconds", "format", "id", "name", "pauseMilliseconds", "version"])
        #expect(
            outcome["name"] == "clean" && outcome["durableMilliseconds"] == 0
                && outcome["pauseMilliseconds"] == JSON.Number(0.0).map { .number($0) })
        #expect(try await run("snapshot", "create", "web", "second", in: folder).code == 0)

        let applied = try await run("checkpoint", "apply", "web", "clean", "--discard", "--json", in: folder).json
        #expect(applied["checkpoint"] == outcome["id"] && applied["state"] == "off" && applied["way"] == "off")
        let reverted = try await run(
            "checkpoint", "revert", "web", "--checkpoint-first", "third", "--json", in: folder
        ).json
        #expect(reverted["checkpoint"] == outcome["id"])
        let tree = try await run("checkpoint", "tree", "web", "--json", in: folder).json
        let checkpoints = try #require(tree["checkpoints"]?.elements)
        #expect(checkpoints.map { $0["name"] } == ["clean", "second", "third"])
        #expect(checkpoints.map { $0["parent"] } == [.null, outcome["id"], outcome["id"]])
        #expect(tree["now"]?["parent"] == outcome["id"])
        #expect(checkpoints[0]["notes"] == "a note")

        let twice = try await run("checkpoint", "create", "web", "clean", in: folder)
        #expect(twice.code == 1 && twice.lines.count == 1, "\(twice)")
        #expect(try await run("checkpoint", "create", "web", "clean", "--replace", in: folder).code == 0)

        let off = try await run("vm", "turn-off", "web", "--discard", "--json", in: folder).json
        #expect(off["state"] == "off")
        #expect(try await run("vm", "shut-down", "web", in: folder).code == 0)
        let deleted = try await run("vm", "delete", "web", "--discard", "--no-trash", "--json", in: folder).json
        #expect(deleted["id"] == show["id"])
        #expect(try await run("vm", "list", "--json", in: folder).json["machines"] == [])
        let left = try folder.contents().keys.filter { $0.hasPrefix("lab/") && !$0.hasPrefix("lab/Boot/") }
        #expect(left.allSatisfy { FilePath($0).components.count == 2 }, "\(left)")
    }

    @Test func `a machine gets another name and keeps all else`() async throws {
        let folder = try await made(["--disk", "data=1M"])
        let before = try await run("vm", "show", "web", "--json", in: folder).json
        #expect(try await run("checkpoint", "create", "web", "clean", in: folder).code == 0)
        let renamed = try await run("vm", "rename", "web", "site-of-mine", "--json", in: folder).json
        #expect(renamed["id"] == before["id"] && renamed["name"] == "site-of-mine" && renamed["state"] == "off")
        let after = try await run("vm", "show", "site-of-mine", "--json", in: folder).json
        #expect(after["id"] == before["id"] && after["name"] == "site-of-mine")
        #expect(after["disks"]?.elements.allSatisfy { $0["path"]?.text?.contains("/site-of-mine/") == true } == true)
        let chains = try #require(after["disks"]?.elements.compactMap { $0["chain"]?.elements.last?.text })
        #expect(chains.map { FilePath($0).lastComponent } == ["web.vhd", "web-data.vhd"])
        #expect(try await run("vm", "show", "web", in: folder).code == 2)
        #expect(try await run("checkpoint", "apply", "site-of-mine", "clean", "--discard", in: folder).code == 0)
        let id = try #require(before["id"]?.text)
        let file = folder.folder.appending("lab/site-of-mine/Virtual Machines/\(id).xml")
        let data = try Data(contentsOf: URL(filePath: file.string))
        let encoding: String.Encoding = data.starts(with: [0xFF, 0xFE]) ? .utf16 : .utf8
        #expect(String(data: data, encoding: encoding)?.contains("site-of-mine") == true)

        // The old name is free, and the new one is not.
        let create = ["vm", "create", "web", "--memory", "1M", "--disk", "1M"]
        #expect(try await Program.fermata.run(create + ["--store", "lab"], in: folder.path).code == 0)
        let contents = try folder.contents()
        let taken = try await run("vm", "rename", "web", "site-of-mine", in: folder)
        #expect(taken.code == 1 && taken.messages.contains("site-of-mine exists already"), "\(taken)")
        for name in ["a/b", "", "Boot", ".x"] {
            let wrong = try await run("vm", "rename", "web", name, in: folder)
            #expect(wrong.code == 2 && wrong.lines.count == 1, "\(wrong)")
        }
        #expect(try folder.contents() == contents)
    }

    @Test(arguments: [
        ["vm", "delete", "web"], ["vm", "turn-off", "web"], ["vm", "reset", "web"],
        ["checkpoint", "apply", "web", "clean"], ["checkpoint", "revert", "web"],
    ])
    func `what discards something needs to be told so`(_ command: [String]) async throws {
        let folder = try await made()
        #expect(try await run("checkpoint", "create", "web", "clean", in: folder).code == 0)
        let before = try folder.contents()
        let result = try await Program.fermata.run(command + ["--store", "lab"], in: folder.path)
        #expect(result.code == 2 && result.lines.count == 1, "\(result)")
        #expect(result.messages.contains("--discard"))
        #expect(try folder.contents() == before)
    }

    @Test(arguments: [
        ["vm", "create", "web", "--memory", "1000"], ["vm", "create", "web", "--memory", "256MB"],
        ["vm", "create", "a/b"], ["vm", "create", "Boot"], ["vm", "create", "x", "--processors", "0"],
        ["vm", "create", "x", "--disk", "64M", "--disk", "64M"], ["vm", "create", "x", "--disk", "1000"],
        ["vm", "create", "x", "--disk", "a=64M", "--disk", "a=64M"], ["vm", "create", "x", "--disk", "=64M"],
        ["vm", "create", "x", "--format", "raw"], ["vm", "create", "x", "--kernel", "nothing"],
        ["vm", "create", "x", "--initrd", "initrd"], ["vm", "create"], ["vm", "start"], ["vm", "start", "wbe"],
        ["vm", "shut-down", "web", "--within", "soon"], ["vm", "delete", "wbe", "--discard"],
        ["checkpoint", "create", "web", "a/b"], ["checkpoint", "create", "web", ""],
        ["checkpoint", "create", "web", "x", "--kind", "whole"], ["checkpoint", "create", "wbe", "x"],
        ["checkpoint", "apply", "web", "nothing", "--discard"], ["checkpoint", "revert", "web", "--discard"],
        ["checkpoint", "revert", "web", "--checkpoint-first", "a/b"],
    ])
    func `wrong use of acting commands is one sentence and exit code 2`(_ command: [String]) async throws {
        let folder = try await made()
        let before = try folder.contents()
        let result = try await Program.fermata.run(command + ["--store", "lab"], in: folder.path)
        #expect(result.code == 2 && result.lines.count == 1 && result.output.isEmpty, "\(result)")
        #expect(result.messages.hasPrefix("fermata: error: "), "\(result)")
        #expect(try folder.contents() == before)
    }

    @Test func `many commands at once on one machine wait for each other`() async throws {
        let folder = try await made()
        try await withThrowingTaskGroup(of: Program.Result.self) { group in
            for index in 0..<6 {
                group.addTask { try await run("checkpoint", "create", "web", "c\(index)", in: folder) }
            }
            for try await result in group { #expect(result.code == 0, "\(result)") }
        }
        let tree = try await run("checkpoint", "tree", "web", "--json", in: folder).json
        #expect(tree["checkpoints"]?.elements.count == 6)
        // Each grew from the one before it, in whatever order they came.
        let parents = tree["checkpoints"]?.elements.map { $0["parent"] }
        #expect(Set(parents ?? []).count == 6)
    }

    @Test func `a machine that another program holds is told to be in use, and by whom`() async throws {
        let folder = try await made()
        let before = try folder.contents()
        do {
            let held = try FileDescriptor.open(folder.folder.appending("lab/web"), .readOnly, options: .closeOnExec)
            defer { try? held.close() }
            #expect(flock(held.rawValue, LOCK_EX | LOCK_NB) == 0)
            async let start = run("vm", "start", "web", in: folder)
            async let delete = run("vm", "delete", "web", "--discard", in: folder)
            for result in try await [start, delete] {
                #expect(result.code == 1 && result.lines.count == 1, "\(result)")
                #expect(result.messages.contains("machine 'web' is "), "\(result)")
            }
            #expect(try await start.messages.contains("in use by process \(getpid()) ("))
            #expect(try await run("vm", "list", "--json", in: folder).json["machines"]?.elements.count == 1)
        }
        #expect(try folder.contents() == before)
        #expect(try await run("checkpoint", "create", "web", "free", in: folder).code == 0)
    }
}

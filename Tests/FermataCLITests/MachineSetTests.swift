// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import StorageTestSupport
import Testing

/// `vm set`: machines that are off, and their configuration.
@Suite struct MachineSetTests {
    private func made() async throws -> TestFolder {
        let folder = try TestFolder()
        let create = [
            "vm", "create", "web", "--memory", "1M", "--disk", "1M", "--disk", "data=2M", "--kernel", "kernel",
            "--initrd", "initrd", "--arguments", "quiet", "--store", "lab",
        ]
        let result = try await Program.fermata.run(create, in: folder.path)
        #expect(result.code == 0, "\(result)")
        return folder
    }

    /// All but what the process that hosted the machine meanwhile said.
    private func contents(of folder: TestFolder) throws -> [String: [String]] {
        try folder.contents().filter { !$0.key.hasSuffix(".host.log") }
    }

    private func run(_ arguments: String..., in folder: TestFolder) async throws -> Program.Result {
        try await Program.fermata.run(arguments + ["--store", "lab"], in: folder.path)
    }

    @Test func `what is set is shown, and a checkpoint brings back what was`() async throws {
        let folder = try await made()
        let before = try await run("vm", "show", "web", "--json", in: folder).json
        #expect(try await run("checkpoint", "create", "web", "clean", in: folder).code == 0)
        let set = try await run(
            "vm", "set", "web", "--memory", "2M", "--processors", "3", "--kernel", "initrd", "--arguments", "loud",
            "--notes", "why", "--attach", "more=4M", "--format", "vhdx", "--detach", "data", "--discard", "--json",
            in: folder)
        #expect(try set.json["state"] == "off" && set.json["name"] == "web", "\(set)")
        let after = try await run("vm", "show", "web", "--json", in: folder).json
        #expect(after["memory"] == 2_097_152 && after["processors"] == 3 && after["notes"] == "why")
        #expect(after["boot"]?["arguments"] == "loud" && after["boot"]?["initrd"] == before["boot"]?["initrd"])
        #expect(after["boot"]?["kernel"] == before["boot"]?["initrd"])
        #expect(after["disks"]?.elements.map { $0["name"] } == ["system", "more"])

        #expect(try await run("checkpoint", "apply", "web", "clean", "--discard", in: folder).code == 0)
        let back = try await run("vm", "show", "web", "--json", in: folder).json
        for key in ["memory", "processors", "boot"] { #expect(back[key] == before[key], "\(key)") }
        #expect(back["disks"]?.elements.map { $0["name"] } == ["system", "data"])
    }

    @Test func `a detached disk can be attached again by its file`() async throws {
        let folder = try await made()
        #expect(try await run("vm", "set", "web", "--detach", "data", in: folder).code == 0)
        #expect(try await run("vm", "set", "web", "--attach", "old=web-data.vhd", in: folder).code == 0)
        let show = try await run("vm", "show", "web", "--json", in: folder).json
        #expect(show["disks"]?.elements.map { $0["name"] } == ["system", "old"])
    }

    @Test func `detaching what was written since a checkpoint needs to be told so`() async throws {
        let folder = try await made()
        #expect(try await run("checkpoint", "create", "web", "clean", in: folder).code == 0)
        let before = try contents(of: folder)
        let result = try await run("vm", "set", "web", "--detach", "data", in: folder)
        #expect(result.code == 2 && result.lines.count == 1 && result.messages.contains("--discard"), "\(result)")
        #expect(try contents(of: folder) == before)
    }

    @Test(arguments: [
        [], ["--memory", "1000"], ["--memory", "256MB"], ["--processors", "0"], ["--kernel", "nothing"],
        ["--initrd", "nothing"], ["--attach", "more"], ["--attach", "more=1000"], ["--attach", "=1M"],
        ["--attach", "more=1M", "--format", "raw"], ["--detach", "dat"], ["--attach", "more=nothing.vhd"],
        ["--arguments", "a\u{1}b"],
    ])
    func `a wrong change is one sentence and exit code 2, and changes nothing`(_ options: [String]) async throws {
        let folder = try await made()
        let before = try contents(of: folder)
        let result = try await Program.fermata.run(["vm", "set", "web", "--store", "lab"] + options, in: folder.path)
        #expect(result.code == 2 && result.lines.count == 1 && result.output.isEmpty, "\(result)")
        #expect(try contents(of: folder) == before)
    }

    @Test func `a disk that is there already is told, and changes nothing`() async throws {
        let folder = try await made()
        let before = try contents(of: folder)
        for attach in ["data=1M", "more=web.vhd"] {
            let result = try await run("vm", "set", "web", "--attach", attach, in: folder)
            #expect(result.code == 1 && result.lines.count == 1 && result.messages.contains("already"), "\(result)")
        }
        #expect(try contents(of: folder) == before)
    }
}

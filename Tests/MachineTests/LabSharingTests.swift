// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataEngine
import FermataModel
import Foundation
import Glibc
import StorageTestSupport
import SystemPackage
import Testing

/// One machine has one host, whoever asks and by whatever path: one wins, and the others reach it or are told who.
@Suite(.serialized) struct LabSharingTests {
    private func running() async throws -> CommandLab {
        let lab = try CommandLab()
        for words in [try CommandLab.create("web"), ["vm", "start", "web"]] {
            let result = try await lab.fermata(words)
            #expect(result.code == 0, "\(result)")
        }
        return lab
    }

    @Test func `a second host is told who the first is, and what it does`() async throws {
        let lab = try await running()
        defer { lab.end() }
        let host = try #require(lab.hosts.first)
        let before = StoreFingerprint(of: lab.folder.machine("web").path)
        let second = try await lab.fermata("vm host web")
        #expect(second.code == 1)
        let message = second.messages
        #expect(message.hasPrefix("fermata: error: machine 'web' is in use by process \(host) (fermata vm host web "))
        #expect(message.hasSuffix("); wait for it to end, or turn the machine off there\n"), "\(message)")
        #expect(throws: EngineError.self) { try lab.folder.machine("web").requireFree() }
        #expect(StoreFingerprint(of: lab.folder.machine("web").path).changes(to: before).isEmpty)
        #expect(try await lab.state() == "running")
        #expect(lab.hosts == [host])
        #expect(try await lab.fermata("vm turn-off web --discard").code == 0)
    }

    @Test func `a symbolic link to a lab is the same lab`() async throws {
        let lab = try await running()
        defer { lab.end() }
        let link = lab.at("link")
        try FileManager.default.createSymbolicLink(
            atPath: link.folder.path.string, withDestinationPath: lab.folder.path.string)
        try await expectSame(link, as: lab)
        // It is the same also for who comes first by way of the link.
        #expect(try await link.fermata("vm start web").code == 0)
        #expect(try await lab.fermata("vm start web").code == 1)
        #expect(lab.sockets.count == 1)
        #expect(try await lab.fermata("vm turn-off web --discard").code == 0)
    }

    @Test(.enabled(if: geteuid() == 0)) func `a folder that is mounted elsewhere is the same lab`() async throws {
        let lab = try await running()
        defer { lab.end() }
        let mounted = lab.at("mounted")
        _ = try lab.place.makeFolder("mounted")
        let mount = try await Tool("mount").run(["--bind", lab.folder.path.string, mounted.folder.path.string])
        // A container may not be allowed to.
        guard mount.code == 0 else { return }
        defer {
            mounted.end()
            _ = unsafe mounted.folder.path.withPlatformString { unsafe umount2($0, 2) }
        }
        try await expectSame(mounted, as: lab)
    }

    /// What is done by one path is done to the machine that runs by the other.
    private func expectSame(_ other: CommandLab, as lab: CommandLab) async throws {
        let host = lab.hosts
        #expect(try await other.state() == "running")
        let again = try await other.fermata("vm start web")
        #expect(again.code == 1 && again.messages == "fermata: error: machine 'web' is running already\n", "\(again)")
        #expect(try await other.fermata("vm pause web").code == 0)
        #expect(try await lab.state() == "paused")
        #expect(try await other.fermata("checkpoint create web made").code == 0)
        #expect(try await lab.fermata("checkpoint show web made").code == 0)
        #expect(lab.hosts == host && lab.sockets.count == 1)
        #expect(try await other.fermata("vm turn-off web --discard").code == 0)
        #expect(!lab.folder.machine("web").isInUse)
    }

    @Test(.enabled(if: geteuid() == 0))
    func `another user is told who has the machine, and changes nothing`() async throws {
        let lab = try await running()
        defer { lab.end() }
        let host = try #require(lab.hosts.first)
        let machine = lab.folder.machine("web").path
        let store = lab.folder.storeFile
        try await expectRefused("\(store): looking for it failed: Permission denied", to: machine, in: lab)
        // A lab that everybody may read.
        for folder in [lab.place.path, lab.folder.path] {
            #expect(try await Tool("chmod").run(["a+rx", folder.string]).code == 0)
        }
        for entry in [store, lab.folder.boot, machine] {
            #expect(try await Tool("chmod").run(["-R", "a+rX", entry.string]).code == 0)
        }
        try await expectRefused(
            "machine 'web' is in use by process \(host) (fermata vm host web ", to: machine, in: lab)
        let list = try await asNobody(["vm", "list", "--json"], in: lab)
        #expect(try JSON(parsing: list.output)["machines"]?.elements.first?["state"] == "running")

        #expect(try await lab.state() == "running")
        #expect(try await lab.fermata("vm turn-off web --discard").code == 0)
        // The machine is free, but its files are another's.
        try await expectRefused("machine 'web' has no host: opening \(lab.folder.cache)", to: machine, in: lab)
        #expect(!lab.folder.machine("web").isInUse)
    }

    /// Another user cannot start the machine, is told why in one sentence, and changes nothing of it.
    private func expectRefused(_ beginning: String, to machine: FilePath, in lab: CommandLab) async throws {
        let before = StoreFingerprint(of: machine)
        let start = try await asNobody(["vm", "start", "web"], in: lab)
        #expect(start.code == 1 && start.output.isEmpty, "\(start)")
        #expect(start.messages.split(separator: "\n").count == 1)
        #expect(start.messages.hasPrefix("fermata: error: \(beginning)"), "\(start)")
        #expect(StoreFingerprint(of: machine).changes(to: before).isEmpty)
    }

    private func asNobody(_ words: [String], in lab: CommandLab) async throws -> Tool.Result {
        let tests = FilePath(try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe"))
        let program = tests.removingLastComponent().appending("fermata").string
        return try await Tool("setpriv").run(
            ["--reuid=65534", "--regid=65534", "--clear-groups", program] + words
                + ["--store", lab.folder.path.string])
    }
}

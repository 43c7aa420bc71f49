// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataEngine
import FermataExecutor
import FermataModel
import FermataTestSupport
import Foundation
import Glibc
import Hashing
import StorageTestSupport
import SystemPackage
import Testing

@Suite struct ControlTests {
    /// A machine that this process hosts, and the same machine as another process sees it.
    private func hosted(_ lab: TestLab) throws -> (local: MachineHandle, remote: RemoteMachine) {
        let local = try lab.lab.create(TestLab.machine(), in: lab.folder.path)
        return (local, try #require(try RemoteMachine(connectingTo: local.control.folder)))
    }

    @Test func `everything works from another process as it does here`() async throws {
        let (lab, process) = (try TestLab(), getpid())
        let (local, remote) = try hosted(lab)
        defer { withExtendedLifetime((local, remote)) {} }
        #expect(remote.process == process)
        #expect(try await remote.status.state == .off)
        try await remote.start()
        #expect(try await local.state == .running)
        #expect(try await remote.status == local.status)
        #expect(
            try await remote.waitForConsole(.pattern("guest re.dy"), within: .seconds(60)) == "guest ready")
        _ = try await remote.run(.shell("set colour green"), within: .seconds(60))
        let green = try await remote.checkpoint(CheckpointRequest(name: "green", notes: "a \"colour\"\n"))
        #expect(try local.tree[green.id]?.notes == "a \"colour\"\n")
        _ = try await remote.run(.arguments(["set", "colour", "red"]), within: .seconds(60))
        let outcome = try await remote.apply(green.id)
        #expect(outcome.checkpoint == green.id && outcome.way == .inPlace && outcome.pauseMicroseconds != nil)
        let colour = try await remote.run(.shell("get colour"), within: .seconds(60))
        #expect(String(decoding: colour.standardOutput, as: UTF8.self) == "green\n")
        #expect(try await remote.revert().checkpoint == green.id)
        try await remote.delete([green.id])
        #expect(try local.tree.checkpoints.isEmpty)
        try await remote.turnOff()
        #expect(try await local.state == .off)
    }

    @Test func `every part of a configuration is changed from another process`() async throws {
        let lab = try TestLab()
        let (local, remote) = try hosted(lab)
        defer { withExtendedLifetime((local, remote)) {} }
        let folder = local.control.folder
        let before = try MachineRecord(reading: folder)
        try await remote.change(
            HardwareChange(
                memory: .mebibytes(2), processors: 3, kernel: lab.folder.appending("initrd"),
                initrd: lab.folder.appending("kernel"), arguments: "\"quoted\" quiet", notes: "two\nlines",
                detach: ["system"], attach: [.init(name: "more", content: .empty(.mebibytes(4), .vhdx))]))
        let after = try MachineRecord(reading: folder)
        #expect(after.now.memory == 2 << 20 && after.now.processors == 3 && after.now.notes == "two\nlines")
        #expect(after.now.boot?.arguments == "\"quoted\" quiet")
        #expect(after.now.boot?.kernel == before.now.boot?.initrd && after.now.boot?.initrd == before.now.boot?.kernel)
        #expect(after.now.disks.map(\.name) == ["more"])
        try await remote.change(HardwareChange(attach: [.init(name: "old", content: .file("web.vhd"))]))
        #expect(try MachineRecord(reading: folder).now.disks.map(\.name) == ["more", "old"])

        try await remote.start()
        try await remote.change(HardwareChange(notes: ""))
        #expect(try MachineRecord(reading: folder).now.notes == nil)
        let refusal = await #expect(throws: EngineError.self) { try await remote.change(HardwareChange(processors: 1)) }
        #expect(refusal?.code == .wrongState)
    }

    @Test func `states and events are told in another process as they are here`() async throws {
        let lab = try TestLab()
        let (local, remote) = try hosted(lab)
        let (here, there) = (try await local.events(), try await remote.events())
        try await remote.start()
        try await remote.pause()
        #expect(try await local.state == .paused)
        let held = try await remote.checkpoint(CheckpointRequest(name: "held"))
        try await remote.resume()
        try await remote.save()
        #expect(try await local.state == .saved)
        try await remote.start()
        _ = try await remote.apply(held.id, ending: .off)
        #expect(try await remote.status == local.status)
        await local.close()
        let told = await (here.reduce(into: []) { $0.append($1) }, there.reduce(into: []) { $0.append($1) })
        #expect(told.0 == told.1)
        let states = told.0.compactMap { event -> MachineState? in
            if case .state(let state, _) = event.kind { state } else { nil }
        }
        #expect(states.prefix(6) == [.running, .paused, .running, .saved, .running, .off], "\(told.0)")
        #expect(told.0.contains { $0.kind == .checkpointed("held", held.id) })
    }

    @Test func `a host whose machine goes off by itself ends when nobody is connected`() async throws {
        let lab = try TestLab()
        _ = try lab.lab.create(TestLab.machine(), in: lab.folder.path)
        let folder = try LabFolder.open(lab.lab.folder.path).machine("web")
        let host = try MachineHost(of: folder, hypervisor: lab.hypervisor)
        let server = try ControlServer(for: host, endsWithMachine: true)
        let remote = try #require(try RemoteMachine(connectingTo: folder))
        try await remote.start()
        await remote.close()
        try await host.turnOff()
        await server.waitUntilClosed()
        #expect(!folder.isInUse)
    }

    @Test func `what the guest writes is read in another process as it is here`() async throws {
        let lab = try TestLab()
        let (local, remote) = try hosted(lab)
        try await local.start()
        _ = try await remote.waitForConsole(.plain("guest ready"), within: .seconds(60))
        let held = try await remote.checkpoint(CheckpointRequest(name: "held"))
        _ = try await remote.run(.shell("say gone"), within: .seconds(60))
        _ = try await remote.waitForConsole(.plain("gone"), within: .seconds(60))
        _ = try await remote.apply(held.id)
        try await remote.turnOff()
        let output = try await local.control.readConsole(from: 0)
        #expect(try await remote.readConsole(from: 0) == output)
        #expect(output.parts.first == .started && output.parts.last == .restored("held"))
        #expect(String(decoding: output.text, as: UTF8.self).hasSuffix("gone\r\n"))
        #expect(try await remote.readConsole(from: output.next).parts.isEmpty)
        let off = await #expect(throws: EngineError.self) { _ = try await remote.readConsole(from: nil) }
        #expect(off?.code == .wrongState)

        try await local.start()
        let pieces = Task {
            var pieces: [ConsoleOutput.Part] = []
            for try await piece in local.console { pieces.append(piece) }
            return pieces
        }
        _ = try await remote.waitForConsole(.plain("guest ready"), within: .seconds(60))
        try await remote.turnOff()
        let text = try await ConsoleOutput(parts: pieces.value, next: 0).text
        #expect(String(decoding: text, as: UTF8.self).hasSuffix("guest ready\r\n"))
    }

    @Test func `errors come back with their code and their sentence`() async throws {
        let lab = try TestLab()
        let (local, remote) = try hosted(lab)
        defer { withExtendedLifetime((local, remote)) {} }
        let id = GUID.random()
        let operations: [@Sendable (any MachineControl) async throws -> Void] = [
            { _ = try await $0.apply(id, ending: .asCheckpoint, toTrash: true) },
            { _ = try await $0.revert(ending: .paused, toTrash: true) },
            { try await $0.delete([id], toTrash: true) },
            { try await $0.change(HardwareChange(detach: ["sytem"])) },
            { try await $0.change(HardwareChange(memory: ByteSize(bytes: 1000))) },
            { _ = try await $0.run(.shell("true"), within: .seconds(1)) }, { try await $0.reset() },
            { try await $0.pause() }, { try await $0.resume() }, { try await $0.save() },
            { try await $0.waitForReboot(within: .seconds(1)) },
            { _ = try await $0.checkpoint(CheckpointRequest(name: "a/b")) },
            { _ = try await $0.waitForConsole(.pattern("("), within: .seconds(1)) },
            { try await $0.change(HardwareChange(detach: ["data"])) },
            { try await $0.change(HardwareChange(processors: -1)) },
        ]
        for operation in operations {
            let here = await #expect(throws: EngineError.self) { try await operation(local.control) }
            let there = await #expect(throws: EngineError.self) { try await operation(remote) }
            #expect(here?.code == there?.code)
            #expect(here?.description == there?.description && there?.description.isEmpty == false)
        }
    }

    @Test func `a wait holds up nothing else, and ends when its task is cancelled`() async throws {
        let lab = try TestLab()
        let (local, remote) = try hosted(lab)
        defer { withExtendedLifetime((local, remote)) {} }
        try await remote.start()
        let wait = Task { try await remote.waitForConsole(.plain("never"), within: .hours(1)) }
        let other = try #require(try RemoteMachine(connectingTo: remote.folder))
        async let wanted = other.waitForConsole(.plain("simulated guest ready"), within: .seconds(60))
        #expect(try await wanted == "simulated guest ready")
        #expect(try await remote.status.state == .running)
        wait.cancel()
        await #expect(throws: CancellationError.self) { try await wait.value }
        #expect(try await remote.status.state == .running)
    }

    @Test func `a client that goes takes its waits with it, and nothing else`() async throws {
        let lab = try TestLab()
        let (local, remote) = try hosted(lab)
        defer { withExtendedLifetime((local, remote)) {} }
        try await remote.start()
        let path = try socketPath(of: local)
        let raw = try RawClient(to: path)
        _ = await raw.line()
        raw.send(#"{"id":1,"request":"waitForConsole","text":"never","within":3600000}"# + "\n")
        raw.send(#"{"id":2,"name":"kept","request":"checkpoint"}"# + "\n")
        raw.endSending()
        let answers = [await raw.line(), await raw.line()]
        #expect(answers.contains { $0?["id"] == 1 && $0?["error"] != nil })
        #expect(answers.contains { $0?["id"] == 2 && $0?["result"] != nil })
        #expect(await raw.line() == nil)
        #expect(try local.tree.checkpoints.map(\.name) == ["kept"])
        #expect(try await remote.status.state == .running)
    }

    /// What no client may send.
    static let violations: [String] =
        [
            "", "hello", "[]", "{}", #"{"id":1}"#, #"{"id":-1,"request":"status"}"#, #"{"id":"1","request":"status"}"#,
            #"{"id":1,"request":7}"#, #"{"id":1,"request":"apply"}"#,
            #"{"attach":[{"name":"x"}],"id":1,"request":"change"}"#, #"{"attach":"x","id":1,"request":"change"}"#,
            #"{"id":1,"request":"apply","checkpoint":"no"}"#, #"{"id":1,"request":"delete","checkpoints":[7]}"#,
            #"{"id":1,"request":"change","memory":-1}"#, #"{"id":1,"request":"change","attach":[{"name":"x"}]}"#,
            #"{"descriptors":1,"id":1,"request":"status"}"#, #"{"descriptors":99,"id":1,"request":"status"}"#,
            String(repeating: "[", count: 5000), String(repeating: " ", count: 2 << 20),
            ids([1, 1]), ids(Array(1...80)),
        ]

    private static func ids(_ ids: [Int]) -> String {
        let lines: [String] = ids.map { id in
            #"{"id":\#(id),"request":"waitForConsole","text":"never","within":100000}"#
        }
        return lines.joined(separator: "\n")
    }

    @Test(arguments: violations)
    func `a client that breaks the protocol is let go, and harms nobody`(_ text: String) async throws {
        let lab = try TestLab()
        let (local, remote) = try hosted(lab)
        defer { withExtendedLifetime((local, remote)) {} }
        try await remote.start()
        let raw = try RawClient(to: socketPath(of: local))
        #expect(await raw.line()?["format"] == "fermata-control")
        raw.send(text + "\n")
        var answers: [JSON] = []
        while let line = await raw.line() { answers.append(line) }
        #expect(answers.contains { $0["error"]?["code"] == "protocol" }, "\(answers)")
        #expect(try await remote.status.state == .running)
        #expect(try #require(try RemoteMachine(connectingTo: remote.folder)).process == remote.process)
    }

    @Test func `an unknown request is refused, and the client stays`() async throws {
        let lab = try TestLab()
        let (local, remote) = try hosted(lab)
        defer { withExtendedLifetime((local, remote)) {} }
        let raw = try RawClient(to: socketPath(of: local))
        _ = await raw.line()
        raw.send(#"{"id":1,"request":"dance"}"# + "\n" + #"{"id":2,"request":"status"}"# + "\n")
        let answers = [await raw.line(), await raw.line()]
        let refusal = answers.compactMap(\.self).first { $0["id"] == 1 }
        #expect(refusal?["error"]?["code"] == "wrongState")
        #expect(answers.contains { $0?["result"]?["state"] == "off" })
    }

    @Test func `half a request changes nothing`() async throws {
        let lab = try TestLab()
        let (local, remote) = try hosted(lab)
        defer { withExtendedLifetime((local, remote)) {} }
        do {
            let raw = try RawClient(to: socketPath(of: local))
            _ = await raw.line()
            raw.send(#"{"id":1,"request":"start"}"#)
            raw.endSending()
            #expect(await raw.line() == nil)
        }
        #expect(try await remote.status.state == .off)
    }

    @Test func `the socket is the user's own, and a stale one gives way`() async throws {
        let lab = try TestLab()
        let path: String
        do {
            let (local, _) = try hosted(lab)
            path = try socketPath(of: local)
            let manager = FileManager.default
            let socket = try manager.attributesOfItem(atPath: path)
            let folder = try manager.attributesOfItem(atPath: FilePath(path).removingLastComponent().string)
            #expect(socket[.posixPermissions] as? Int == 0o600)
            #expect(folder[.posixPermissions] as? Int == 0o700)
            await local.close()
        }
        #expect(!FileManager.default.fileExists(atPath: path))
        let folder = lab.lab.folder.machine("web")
        #expect(try RemoteMachine(connectingTo: folder) == nil)
        Self.leaveStale(path)
        #expect(FileManager.default.fileExists(atPath: path))
        #expect(try RemoteMachine(connectingTo: folder) == nil)
        #expect(!FileManager.default.fileExists(atPath: path))
        Self.leaveStale(path)
        let local = try lab.lab.open("web")
        let remote = try #require(try RemoteMachine(connectingTo: folder))
        #expect(try await remote.status.state == .off)
        await local.close()
    }

    /// Leaves a socket as a host does that is killed.
    private static func leaveStale(_ path: String) {
        let stale = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: path.utf8) }
        unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                _ = unsafe bind(stale, pointer, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        listen(stale, 1)
        close(stale)
    }

    @Test func `a host that ends with its machine is free when its last client has waited`() async throws {
        let lab = try TestLab()
        _ = try lab.lab.create(TestLab.machine(), in: lab.folder.path)
        let folder = try LabFolder.open(lab.lab.folder.path).machine("web")
        for _ in 0..<20 {
            let server = try ControlServer(
                for: MachineHost(of: folder, hypervisor: lab.hypervisor), endsWithMachine: true)
            let first = try #require(try RemoteMachine(connectingTo: folder))
            let second = try #require(try RemoteMachine(connectingTo: folder))
            try await first.start()
            await first.close()
            #expect(folder.isInUse)
            try await second.turnOff()
            await second.close()
            #expect(!folder.isInUse)
            await server.waitUntilClosed()
        }
        #expect(lab.hypervisor.liveMachines == 0)
    }

    @Test func `a host that is closed answers what was asked before`() async throws {
        let lab = try TestLab()
        let (local, remote) = try hosted(lab)
        defer { withExtendedLifetime((local, remote)) {} }
        try await remote.start()
        let wait = Task { try await remote.waitForConsole(.plain("never"), within: .hours(1)) }
        _ = try await remote.waitForConsole(.plain("simulated guest ready"), within: .seconds(60))
        await local.close()
        let error = await #expect(throws: EngineError.self) { try await wait.value }
        // Whether the wait had begun by then is the host's schedule; that it is answered is not.
        #expect(error?.code == .guest || error?.code == .wrongState, "\(String(describing: error))")
        await #expect(throws: EngineError.self) { try await remote.start() }
    }

    /// The path of a hosted machine's socket.
    private func socketPath(of machine: MachineHandle) throws -> String {
        var status = stat()
        _ = unsafe machine.control.folder.path.withPlatformString { unsafe stat($0, &status) }
        let text = "\(UInt64(status.st_dev)):\(UInt64(status.st_ino))"
        let name = "\(Self.digest(of: text).prefix(16)).sock"
        let folders = [
            ProcessInfo.processInfo.environment["XDG_RUNTIME_DIR"].map { "\($0)/fermata" }, "/run/fermata",
            "\(NSTemporaryDirectory())fermata-\(geteuid())",
        ].compactMap(\.self)
        return try #require(folders.map { "\($0)/\(name)" }.first { FileManager.default.fileExists(atPath: $0) })
    }

    private static func digest(of text: String) -> String {
        var hash = SHA256()
        unsafe hash.update(Array(text.utf8).span.bytes)
        return hash.finish().description
    }
}

extension JSON {
    fileprivate subscript(name: String) -> JSON? {
        if case .object(let members) = self { members[name] } else { nil }
    }
}

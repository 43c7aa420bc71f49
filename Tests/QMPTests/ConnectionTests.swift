// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import QMP
import SystemPackage
import Testing

@Suite(.timeLimit(.minutes(1))) struct ConnectionTests {
    @Test func `answers find who asked, in any order, with events between`() async throws {
        let peer = try ScriptedPeer()
        peer.run { peer in
            peer.greet()
            let commands = [peer.command(), peer.command()]
            peer.send(
                #"{"event": "STOP", "timestamp": {"seconds": 12, "microseconds": 345}, "data": {"a": [1, "x"]}}"#)
            for command in commands.reversed() {
                peer.send(
                    #"{"return": {"was": \#(command.message["execute"] ?? .null)}, "id": \#(command.number ?? 0)}"#)
            }
            peer.hangUp()
        }
        let client = try await QMPClient(connected: peer.client)
        #expect(client.version == "7.2.1")
        async let first = client.execute("one")
        async let second = client.execute("two", ["x": 1])
        #expect(try await first["was"] == "one")
        #expect(try await second["was"] == "two")
        let stop = client.lastEvent("STOP")
        #expect(stop?.microseconds == 12_000_345)
        var events: [QMPEvent] = []
        for await event in client.events { events.append(event) }
        #expect(events == [stop].compactMap { $0 })
        #expect(events.first?.data["a"] == [1, "x"])
    }

    @Test func `an error names its command and the peer's reason`() async throws {
        let peer = try ScriptedPeer()
        peer.run { peer in
            peer.greet()
            let number = peer.command().number ?? 0
            peer.send(#"{"error": {"class": "GenericError", "desc": "not \"now\""}, "id": \#(number)}"#)
        }
        let client = try await QMPClient(connected: peer.client)
        let error = await #expect(throws: QMPError.self) { try await client.execute("cont") }
        #expect(error?.code == .refused && error?.command == "cont")
        #expect(error?.description == #"QMP `cont` was refused: not "now""#)
    }

    @Test func `the connection's end fails all that waits`() async throws {
        let peer = try ScriptedPeer()
        peer.run { peer in
            peer.greet()
            for _ in 1...3 { _ = peer.command() }
            peer.hangUp()
        }
        let client = try await QMPClient(connected: peer.client)
        let errors = await withTaskGroup(of: QMPError?.self) { group in
            for name in ["one", "two"] {
                group.addTask {
                    do throws(QMPError) {
                        _ = try await client.execute(name)
                        return nil
                    } catch {
                        return error
                    }
                }
            }
            group.addTask {
                do throws(QMPError) {
                    _ = try await client.event(
                        "NEVER", where: { _ in true },
                        after: { () async throws(QMPError) in _ = try await client.execute("three") })
                    return nil
                } catch {
                    return error
                }
            }
            return await group.reduce(into: []) { $0.append($1) }
        }
        #expect(errors.allSatisfy { $0?.code == .disconnected && $0?.detail == "the peer closed it" })
        let later = await #expect(throws: QMPError.self) { try await client.execute("four") }
        #expect(later?.code == .disconnected)
    }

    @Test func `a peer that does not answer in time is told, and its late answer is ignored`() async throws {
        let peer = try ScriptedPeer()
        peer.run { peer in
            peer.greet()
            let late = peer.command().number ?? 0
            let next = peer.command().number ?? 0
            peer.send(#"{"return": "late", "id": \#(late)}"#)
            peer.send(#"{"return": "right", "id": \#(next)}"#)
        }
        let client = try await QMPClient(connected: peer.client)
        let error = await #expect(throws: QMPError.self) {
            try await client.execute("slow", timeout: .milliseconds(30))
        }
        #expect(error?.code == .timedOut && error?.command == "slow")
        #expect(try await client.execute("next") == "right")
        let noEvent = await #expect(throws: QMPError.self) {
            try await client.event(
                "NEVER", where: { _ in true }, timeout: .milliseconds(30), after: { () async throws(QMPError) in })
        }
        #expect(noEvent?.code == .timedOut)
    }

    @Test(arguments: ["{not json}", #"{"neither": 1}"#, #"{"error": {"desc": "nobody asked"}}"#, "\u{0}"])
    func `what is not QMP ends the connection`(line: String) async throws {
        let peer = try ScriptedPeer()
        peer.run { peer in
            peer.greet()
            _ = peer.command()
            peer.send(line)
        }
        let client = try await QMPClient(connected: peer.client)
        let error = await #expect(throws: QMPError.self) { try await client.execute("any") }
        #expect(error?.code == .malformed)
    }

    @Test func `a peer that hangs up before its greeting is told`() async throws {
        let peer = try ScriptedPeer()
        peer.hangUp()
        let error = await #expect(throws: QMPError.self) { try await QMPClient(connected: peer.client) }
        #expect(error?.code == .disconnected)
        let silent = try ScriptedPeer()
        let late = await #expect(throws: QMPError.self) {
            try await QMPClient(connected: silent.client, timeout: .milliseconds(30))
        }
        #expect(late?.code == .timedOut)
    }

    @Test func `messages in small pieces and many at once are read`() async throws {
        let peer = try ScriptedPeer()
        peer.run { peer in
            peer.greet()
            let number = peer.command().number ?? 0
            for character in #"{"event": "A", "timestamp": {"seconds": 1, "microseconds": 2}}"# {
                peer.send(String(character), end: "")
            }
            peer.send("")
            var burst = ""
            for index in 0..<500 { burst += #"{"event": "B\#(index)", "data": "é"}"# + "\n" }
            peer.send(burst + #"{"return": 1, "id": \#(number)}"#)
            peer.hangUp()
        }
        let client = try await QMPClient(connected: peer.client)
        #expect(try await client.execute("x") == 1)
        #expect(client.lastEvent("A")?.microseconds == 1_000_002)
        #expect(client.lastEvent("B499")?.data == "é")
        var names: [String] = []
        for await event in client.events { names.append(event.name) }
        #expect(names == ["A"] + (0..<500).map { "B\($0)" })
    }

    @Test func `a descriptor arrives with its command`() async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        try Data("through".utf8).write(to: folder)
        defer { try? FileManager.default.removeItem(at: folder) }
        let peer = try ScriptedPeer()
        peer.run { peer in
            peer.greet()
            let command = peer.command()
            var buffer = [UInt8](repeating: 0, count: 16)
            let count = unsafe read(command.descriptor ?? -1, &buffer, buffer.count)
            let text = String(decoding: buffer.prefix(max(0, count)), as: UTF8.self)
            peer.send(#"{"return": {"fdset-id": 7, "text": "\#(text)"}, "id": \#(command.number ?? 0)}"#)
            let second = peer.command()
            peer.send(#"{"return": {"fdset-id": \#(second.descriptor == nil ? 1 : 0)}, "id": \#(second.number ?? 0)}"#)
        }
        let client = try await QMPClient(connected: peer.client)
        let file = try FileDescriptor.open(FilePath(folder.path), .readOnly)
        defer { try? file.close() }
        let result = try await client.execute("add-fd", passing: file)
        #expect(result["text"] == "through")
        #expect(try await client.execute("add-fd")["fdset-id"] == 1)
    }

    @Test func `a real QEMU answers`() async throws {
        var ends: [CInt] = [-1, -1]
        try #require(unsafe socketpair(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0, &ends) == 0)
        _ = fcntl(ends[0], F_SETFD, FD_CLOEXEC)
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        // Foundation leaves only the standard descriptors open: the socket is standard input.
        let peer = FileHandle(fileDescriptor: ends[1], closeOnDealloc: true)
        process.standardInput = peer
        process.arguments = [
            "qemu-system-x86_64", "-accel", "tcg", "-machine", "none", "-nodefaults", "-display", "none", "-S",
            "-chardev", "socket,id=qmp,fd=0", "-mon", "chardev=qmp,mode=control",
        ]
        try process.run()
        try peer.close()
        let client = try await QMPClient(connected: FileDescriptor(rawValue: ends[0]))
        #expect(client.version?.isEmpty == false)
        #expect(try await client.isRunning() == false)
        #expect(try await client.machineTypes().contains { $0.hasPrefix("pc-q35-") })
        let error = await #expect(throws: QMPError.self) { try await client.removeBlockNode("none") }
        #expect(error?.code == .refused)
        let resumed = try await client.event(
            "RESUME", where: { _ in true }, after: { () async throws(QMPError) in try await client.resume() })
        #expect(resumed.microseconds > 1_700_000_000_000_000)
        #expect(client.lastEvent("RESUME") == resumed)
        let file = try FileDescriptor.open(FilePath("/dev/null"), .writeOnly)
        let number = try await client.addDescriptor(file)
        try await client.removeDescriptors(number)
        try await client.nameDescriptor("null", file)
        try file.close()
        _ = try await client.execute("quit")
        var names: [String] = []
        for await event in client.events { names.append(event.name) }
        #expect(names == ["RESUME", "SHUTDOWN"])
        #expect(client.lastEvent("SHUTDOWN")?.data["reason"] == "host-qmp-quit")
        client.close()
        process.waitUntilExit()
    }
}

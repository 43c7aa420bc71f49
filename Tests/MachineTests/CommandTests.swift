// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import FermataTestSupport
import Foundation
import StorageTestSupport
import SystemPackage
import Testing

@testable import FermataEngine

/// Commands whose input and output are descriptors, in a real guest.
@Suite(.serialized) struct CommandTests {
    /// How much is sent through a command and back.
    static let size = ProcessInfo.processInfo.environment["FERMATA_TEST_ALL"] == nil ? 1 << 20 : 64 << 20

    @Test func `bytes go in and come out as they are, and nobody is held up by who does not take them`() async throws {
        let lab = try LiveLab()
        let host = try await lab.running()
        try await Self.expectRoundTrip(host)

        let (error, errorEnd) = try FileDescriptor.pipe()
        let code = try await host.execute(
            .shell("echo out; echo err >&2; exit 3"), streams: CommandStreams(error: errorEnd))
        try errorEnd.close()
        #expect(code == 3)
        #expect(try Self.rest(of: error) == Array("err\n".utf8))
        #expect(try await host.execute(.arguments(["/no/such/program"]), streams: CommandStreams()) == 127)

        // Nobody reads: the command waits, and neither a checkpoint nor another command does.
        _ = try await host.output(of: "mkfifo /tmp/begun")
        let (reading, writing) = try FileDescriptor.pipe()
        let lines = Task { [host] in
            try await host.execute(
                .shell("echo > /tmp/begun; yes | head -c 4000000"), streams: CommandStreams(output: writing))
        }
        _ = try await host.output(of: "cat /tmp/begun")
        #expect(try await host.output(of: "head -c 3000000 /dev/zero | wc -c; echo free") == "3000000\nfree")
        let clean = try await host.checkpoint(CheckpointRequest(name: "clean"))
        let count = Task.detached { try Self.rest(of: reading).count }
        #expect(try await lines.value == 0)
        try writing.close()
        #expect(try await count.value == 4_000_000)

        // Who takes nothing any more ends the command as in a shell.
        let (unread, broken) = try FileDescriptor.pipe()
        try unread.close()
        #expect(try await host.execute(.arguments(["yes"]), streams: CommandStreams(output: broken)) == 128 + 13)
        try broken.close()

        let slow = await #expect(throws: EngineError.self) {
            _ = try await host.execute(
                .shell("mkfifo /tmp/held; exec 3<> /tmp/held; sleep 1234"), streams: CommandStreams(),
                within: .milliseconds(500))
        }
        #expect(slow?.code == .timeout)
        // The pipe ends once the command and what it started are gone; who opens it again and again lets it be read then.
        _ = try await host.output(of: "while : > /tmp/held; do :; done & cat /tmp/held; kill $!")

        let waiting = Task { [host] in
            try await host.execute(.shell("echo > /tmp/begun; sleep 1234"), streams: CommandStreams())
        }
        _ = try await host.output(of: "cat /tmp/begun")
        _ = try await host.apply(clean.id)
        let reverted = await #expect(throws: EngineError.self) { _ = try await waiting.value }
        #expect(reverted?.code == .reverted)
        try await host.turnOff()
    }

    private static func expectRoundTrip(_ host: MachineHost) async throws {
        let folder = try TemporaryFolder()
        var random = SeededGenerator(seed: 7)
        let sent = (0..<size).map { _ in UInt8.random(in: 0...255, using: &random) }
        let (from, to) = (folder.appending("sent"), folder.appending("received"))
        try Data(sent).write(to: URL(fileURLWithPath: from.string))
        let input = try FileDescriptor.open(from, .readOnly)
        let output = try FileDescriptor.open(to, .writeOnly, options: .create, permissions: .ownerReadWrite)
        let code = try await host.execute(
            .arguments(["cat"]), streams: CommandStreams(input: input, output: output), within: .minutes(10))
        try input.close()
        try output.close()
        #expect(code == 0)
        let received = try Data(contentsOf: URL(fileURLWithPath: to.string))
        #expect(received == Data(sent), "\(received.count) of \(sent.count) bytes")
    }

    private static func rest(of descriptor: FileDescriptor) throws -> [UInt8] {
        defer { try? descriptor.close() }
        return Array(try FileHandle(fileDescriptor: descriptor.rawValue).readToEnd() ?? Data())
    }
}

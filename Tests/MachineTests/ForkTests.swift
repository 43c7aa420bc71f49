// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import Foundation
import StorageTestSupport
import SystemPackage
import Testing

@testable import FermataEngine

/// Forks of a real machine run at once from one memory, and each keeps to itself what it is told.
@Suite(.serialized) struct ForkTests {
    static let count = ProcessInfo.processInfo.environment["FERMATA_TEST_ALL"] == nil ? 2 : 8

    /// Where each writes its number: a sector that all of them have from the source, and one of its own.
    private static func write(_ text: String, at sector: Int) -> String {
        "printf '\(text)' | dd of=/dev/vda bs=512 seek=\(sector) conv=sync,fsync 2>/dev/null"
    }

    private static func read(_ sector: Int) -> String {
        "dd if=/dev/vda bs=512 skip=\(sector) count=1 iflag=direct 2>/dev/null | tr -d '\\0'"
    }

    /// A sector that holds a text, and the rest zeros.
    private static func sector(_ text: String) -> Data {
        Data(text.utf8) + Data(count: 512 - text.utf8.count)
    }

    @Test func `forks run at once from one memory, and each has its own number in memory and on disk`() async throws {
        let lab = try LiveLab()
        let web = try await lab.running(hasNetwork: true)
        _ = try await web.output(of: "head -c 16 /dev/urandom | sha256sum > /tmp/nonce; echo source > /tmp/number")
        _ = try await web.output(of: Self.write("source", at: 100))
        let known = try await web.output(
            of: "cat /tmp/nonce /proc/sys/kernel/random/boot_id /sys/class/net/eth0/address")
        let checkpoint = try await web.checkpoint(CheckpointRequest(name: "base")).id
        _ = try await web.output(of: Self.write("later", at: 100))
        var forks: [MachineHost] = []
        for number in 1...Self.count {
            let name = MachineName("fork\(number)")
            _ = try await web.fork(checkpoint, as: name)
            forks.append(try lab.host(name))
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await web.delete([checkpoint]) }
            for (index, fork) in forks.enumerated() {
                group.addTask {
                    let mine = "number \(index + 1)"
                    try await fork.start()
                    #expect(try await fork.output(of: "cat /tmp/number; \(Self.read(100))") == "source\nsource")
                    _ = try await fork.output(
                        of:
                            "echo \(mine) > /tmp/number; \(Self.write(mine, at: 100)); \(Self.write(mine, at: 200 + index))"
                    )
                }
            }
            try await group.waitForAll()
        }
        // All of them run now, and so does the source.
        for (index, fork) in forks.enumerated() {
            let mine = "number \(index + 1)"
            #expect(await fork.state == .running)
            #expect(
                try await fork.output(of: "cat /tmp/number; \(Self.read(100)); echo; \(Self.read(200 + index))")
                    == "\(mine)\n\(mine)\n\(mine)")
            #expect(
                try await fork.output(
                    of: "cat /tmp/nonce /proc/sys/kernel/random/boot_id /sys/class/net/eth0/address") == known)
        }
        #expect(try await web.output(of: "cat /tmp/number; \(Self.read(100))") == "source\nlater")
        // A fork has a past of its own.
        let first = forks[0]
        _ = try await first.checkpoint(CheckpointRequest(name: "own"))
        _ = try await first.output(of: "echo lost > /tmp/number; \(Self.write("lost", at: 100))")
        _ = try await first.revert()
        #expect(try await first.output(of: "cat /tmp/number; \(Self.read(100))") == "number 1\nnumber 1")
        for fork in forks { await fork.close() }
        await web.close()
        for index in forks.indices {
            let disk = try await outside(lab.folder.machine(MachineName("fork\(index + 1)")))
            let mine = Self.sector("number \(index + 1)")
            #expect(disk[100 * 512..<101 * 512] == mine)
            for other in forks.indices {
                #expect(disk[(200 + other) * 512..<(201 + other) * 512] == (other == index ? mine : Data(count: 512)))
            }
        }
        #expect(try await outside(lab.folder.machine("web"))[100 * 512..<101 * 512] == Self.sector("later"))
    }

    /// A machine's first disk as 7-Zip reads it, which did not learn it from us.
    private func outside(_ machine: MachineFolder) async throws -> Data {
        let record = try MachineRecord(reading: machine)
        let file = try record.diskFiles(of: record.now)[0]
        // It knows no folders: a chain must lie in one.
        let flat = try TemporaryFolder()
        for link in file.chain {
            try FileManager.default.createSymbolicLink(
                atPath: flat.path.appending(link.lastComponent?.string ?? "").string,
                withDestinationPath: link.string)
        }
        let output = flat.path.appending("out")
        let result = try await Tool("7zz").run([
            "e", "-tvhd", "-o\(output)", "-y", flat.path.appending(file.path.lastComponent?.string ?? "").string,
        ])
        #expect(result.code == 0, "7zz: \(result.messages)\(result.output)")
        let name = try #require(FileManager.default.contentsOfDirectory(atPath: output.string).first)
        return try #require(FileManager.default.contents(atPath: output.appending(name).string))
    }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import FermataModel
import FermataTestSupport
import Foundation
import StorageTestSupport
import SystemPackage
import Testing
import VirtualDisk

@testable import FermataEngine

/// Disks that nobody needs are merged beside a machine that runs and writes.
struct LiveMergingTests {
    private let folder: TemporaryFolder
    private let lab: LabFolder
    private let host: MachineHost

    init() throws {
        folder = try TemporaryFolder()
        lab = try LabFolder.create(folder.path.appending("lab"))
        let definition = MachineDefinition(
            name: "web", memory: .mebibytes(1),
            disks: [
                .init(name: "system", size: .mebibytes(8)), .init(name: "data", size: .mebibytes(6), format: .vhdx),
            ])
        host = try MachineHost(
            of: try lab.createMachine(definition, file: { FilePath($0) }), hypervisor: SimulatedHypervisor())
    }

    /// Writes megabytes of a byte to both disks of the machine that is off.
    private func fill(_ byte: UInt8, megabytes: Range<Int>) async throws {
        for chain in try DiskFiles.open(await host.files.now, in: host.folder) {
            try chain.write(
                [UInt8](repeating: byte, count: megabytes.count << 20), at: UInt64(megabytes.lowerBound) << 20)
            try chain.close()
        }
    }

    private func checkpoint(_ name: CheckpointName) async throws -> GUID {
        try await host.checkpoint(CheckpointRequest(name: name)).id
    }

    private func write(_ text: String, at place: String) async throws {
        try #require(try await host.run(.shell("write \(place) \(text)")).exitCode == 0)
    }

    private func read(_ place: String) async throws -> String {
        let result = try await host.run(.shell("read \(place) 16"))
        return String(decoding: result.standardOutput, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
    }

    private func chains() async throws -> [[String]] {
        let record = await host.files
        return try record.diskFiles(of: record.now).map { $0.chain.compactMap(\.lastComponent?.string) }
    }

    /// The bytes of a checkpoint's disks at the start of each megabyte.
    private func stamps(_ id: GUID?) async throws -> [[UInt8]] {
        let record = await host.files
        let configuration = try #require(id.map { record.checkpoints[$0] } ?? record.now)
        return try record.diskFiles(of: configuration).map { file in
            let chain = try DiskFiles.open(file.path, in: host.folder, .readOnly)
            return try stride(from: 0, to: chain.size, by: 1 << 20).map { try chain.bytes(at: $0, count: 1)[0] }
        }
    }

    @Test func `the disk that takes the writes goes into its base, which keeps its name`() async throws {
        try await fill(1, megabytes: 0..<5)
        let clean = try await checkpoint("clean")
        try await host.start()
        try await write("before", at: "0:512")
        try await write("before", at: "1:512")
        try await host.delete([clean])
        for number in 0..<20 { try await write("w\(number)", at: "0:\(1024 + number * 512)") }
        try await host.mergeDisks()
        #expect(try await chains() == [["web.vhd"], ["web-data.vhdx"]])
        try await write("after", at: "0:2097152")
        #expect(try await read("0:512") == "before")
        #expect(try await read("0:\(1024 + 19 * 512)") == "w19")
        // It is a machine like any other: it is held, brought back, and ended.
        let again = try await checkpoint("again")
        try await write("discarded", at: "0:512")
        _ = try await host.apply(again)
        #expect(try await read("0:512") == "before")
        #expect(try await read("0:2097152") == "after")
        try await host.turnOff()
        #expect(try await stamps(again)[0][4] == 1)
        await host.close()
        let files = try FileManager.default.subpathsOfDirectory(atPath: host.folder.path.string)
        #expect(files.count { $0.hasSuffix(".avhd") } == 1)
    }

    @Test func `what lies between two checkpoints goes, and both stay`() async throws {
        try await fill(1, megabytes: 0..<6)
        let root = try await checkpoint("root")
        try await fill(2, megabytes: 1..<5)
        let inner = try await checkpoint("inner")
        try await fill(3, megabytes: 2..<3)
        let leaf = try await checkpoint("leaf")
        _ = try await host.apply(inner)
        try await fill(4, megabytes: 4..<6)
        let other = try await checkpoint("other")
        var before: [GUID: [[UInt8]]] = [:]
        for id in [root, leaf, other] { before[id] = try await stamps(id) }
        try await host.start()
        try await write("guest", at: "0:512")
        // Two disks grew from it, so its own stays until one is left.
        try await host.delete([inner])
        try await host.mergeDisks()
        #expect(try await chains().map(\.count) == [4, 4])
        try await host.delete([leaf])
        try await host.mergeDisks()
        #expect(try await chains().map(\.count) == [3, 3])
        #expect(try await read("0:512") == "guest")
        for id in [root, other] { #expect(try await stamps(id) == before[id]) }
        _ = try await host.apply(root)
        #expect(try await stamps(nil) == before[root])
        await host.close()
    }

    @Test func `a merge that is stopped goes on when it is asked to, and one whose host ends at the next open`()
        async throws
    {
        try await fill(1, megabytes: 0..<6)
        let root = try await checkpoint("root")
        try await fill(2, megabytes: 0..<5)
        let leaf = try await checkpoint("leaf")
        let before = try await stamps(leaf)
        try await host.start()
        // So slow that it cannot end by itself while this looks.
        await host.change(HostSettings(mergeRate: 64 << 10))
        try await host.delete([root])
        await host.stopMergingDisks()
        #expect(try await chains().map(\.count) == [3, 3])
        #expect(try await stamps(leaf) == before)
        // It is in nobody's way.
        try await write("guest", at: "0:512")
        let mark = try await checkpoint("mark")
        _ = try await host.apply(mark)
        #expect(try await chains().map(\.count) == [4, 4])
        async let merged = host.mergeDisks()
        _ = try await host.apply(mark)
        #expect(try await stamps(leaf) == before)
        await host.stopMergingDisks()
        _ = try await merged
        await host.change(HostSettings())
        try await host.mergeDisks()
        #expect(try await chains().map(\.count) == [3, 3])
        #expect(try await read("0:512") == "guest")
        // Ended with its host, it is done by the next one.
        await host.change(HostSettings(mergeRate: 64 << 10))
        try await host.delete([leaf])
        await host.close()
        let next = try MachineHost(of: host.folder, hypervisor: SimulatedHypervisor())
        let record = await next.files
        #expect(try record.diskFiles(of: record.now).map(\.chain.count) == [2, 2])
        await next.close()
    }

    @Test func `a checkpoint that is made while disks are looked for stays what it was`() async throws {
        try await host.start()
        var last = try await checkpoint("v0")
        for number in 1...30 {
            try await write("v\(number)", at: "0:512")
            // The look for what can be merged begins here, and finds disks between the checkpoint's two commits.
            try await host.delete([last])
            last = try await checkpoint(CheckpointName("v\(number)"))
            try await write("later", at: "0:512")
            try await host.mergeDisks()
            let record = await host.files
            let held = try #require(record.checkpoints[last])
            #expect(Set(held.disks.map(\.path)).isDisjoint(with: record.now.disks.map(\.path)), "\(number)")
            _ = try await host.apply(last)
            #expect(try await read("0:512").hasPrefix("v\(number)"), "\(number)")
        }
        await host.close()
    }
}

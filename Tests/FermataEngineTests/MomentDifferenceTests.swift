// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import FermataTestSupport
import Foundation
import Glibc
import StorageTestSupport
import SystemPackage
import Testing

@testable import FermataEngine

/// In what two moments of a machine differ is told, and nothing else.
struct MomentDifferenceTests {
    private let folder: TemporaryFolder
    private let host: MachineHost

    init() throws {
        folder = try TemporaryFolder()
        let lab = try LabFolder.create(folder.path.appending("lab"))
        let definition = MachineDefinition(
            name: "web", memory: .mebibytes(1),
            disks: [
                .init(name: "system", size: .mebibytes(8)), .init(name: "data", size: .mebibytes(6), format: .vhdx),
            ])
        host = try MachineHost(
            of: try lab.createMachine(definition, file: { FilePath($0) }), hypervisor: SimulatedHypervisor())
    }

    private func checkpoint(
        _ name: CheckpointName, _ kind: CheckpointTree.Checkpoint.Kind = .standard
    ) async throws -> GUID {
        try await host.checkpoint(CheckpointRequest(name: name, kind: kind)).id
    }

    private func guest(_ line: String) async throws {
        try #require(try await host.run(.shell(line)).exitCode == 0)
    }

    private func difference(_ first: GUID, _ second: GUID?) throws -> MomentDifference {
        try MachineRecord(reading: host.folder).difference(of: first, from: second)
    }

    @Test func `bytes of disks that differ are told to the sector, across branches and with now`() async throws {
        let root = try await checkpoint("root")
        try await host.start()
        try await guest("write 0:512 one")
        try await guest("write 1:2097152 same")
        try await host.turnOff()
        let left = try await checkpoint("left")
        #expect(try difference(left, nil).isEmpty)
        #expect(try difference(left, left).isEmpty)
        _ = try await host.apply(root)
        try await host.start()
        try await guest("write 0:512 two")
        try await guest("write 0:1024 more")
        try await guest("write 0:4194304 far")
        try await guest("write 1:2097152 same")
        try await host.turnOff()
        let right = try await checkpoint("right")
        let expected = [MomentDifference.Disk(name: "system", extents: [512..<1536, 4_194_304..<4_194_816])]
        #expect(expected[0].bytes == 1536)
        for (one, other) in [(left, right), (right, left), (left, nil)] {
            let found = try difference(one, other)
            #expect(found.disks == expected)
            #expect(found.configuration.isEmpty && found.pages == nil && !found.isEmpty)
        }
        #expect(
            try difference(root, left).disks == [
                .init(name: "system", extents: [512..<1024]), .init(name: "data", extents: [2_097_152..<2_097_664]),
            ])
        await host.close()
    }

    @Test func `pages of memory that differ are counted, and those of a saved machine, too`() async throws {
        try await host.start()
        try await guest("set word one")
        let one = try await checkpoint("one")
        let again = try await checkpoint("again")
        #expect(try difference(one, again) == MomentDifference(pages: 0))
        try await guest("set word two")
        let two = try await checkpoint("two")
        let memories = try [one, two].map { id in
            let image = try MemoryImage(reading: host.folder.memoryImage(id))
            let flat = folder.path.appending("flat \(id)")
            try image.expand(into: PageFile(creating: flat))
            return Array(try #require(FileManager.default.contents(atPath: flat.string)))
        }
        let pages = stride(from: 0, to: memories[0].count, by: 4096).count {
            memories[0][$0..<$0 + 4096] != memories[1][$0..<$0 + 4096]
        }
        #expect(pages > 0)
        #expect(try difference(one, two) == MomentDifference(pages: pages))
        #expect(try difference(two, one) == MomentDifference(pages: pages))
        try await host.save()
        let saved = try difference(one, nil)
        #expect(saved.pages == pages)
        #expect(saved.configuration == [.init(name: "state", first: "running", second: "saved")])
        await host.close()
    }

    @Test func `what changed of the hardware is told field by field`() async throws {
        let one = try await checkpoint("one")
        try await host.change(HardwareChange(memory: .mebibytes(2), processors: 2))
        let disks = try await checkpoint("disks", .diskOnly)
        #expect(
            try difference(one, disks).configuration == [
                .init(name: "memory", first: "1 MiB", second: "2 MiB"),
                .init(name: "processors", first: "1", second: "2"),
            ])
        await host.close()
    }

    @Test func `what names one checkpoint and identifies another is refused, and both are listed`() async throws {
        let first = try await checkpoint("first")
        let second = try await checkpoint(CheckpointName(first.description))
        let inner = try await checkpoint("inner")
        let record = try MachineRecord(reading: host.folder)
        let error = #expect(throws: EngineError.self) { try record.checkpoint(first.description) }
        #expect(
            error?.description == "'\(first)' could be '\(first)' (\(second)) or 'first' (\(first)); say its id")
        #expect(try record.checkpoint(second.description).id == second)
        #expect(try record.checkpoint("first/\(first)/inner").id == inner)
        await host.close()
    }

    @Test func `a checkpoint's own size is what its files take, and not its ancestors'`() async throws {
        let root = try await checkpoint("root")
        try await host.start()
        for place in 0..<3 { try await guest("write 0:\(place << 21) full") }
        let hot = try await checkpoint("hot")
        let disks = try await checkpoint("disks", .diskOnly)
        let record = try MachineRecord(reading: host.folder)
        func taken(_ id: GUID) throws -> UInt64 {
            let configuration = try #require(record.checkpoints[id])
            let paths =
                try record.diskFiles(of: configuration).map(\.path) + [
                    record.folder.memoryImage(id), record.folder.deviceState(id),
                ]
            return try paths.filter { FileSystem.exists($0) }.reduce(0) { sum, path in
                sum + UInt64(try #require(FileSystem.status(of: path)).st_blocks) * 512
            }
        }
        for id in [root, hot, disks] { #expect(try record.ownBytes(of: id) == taken(id)) }
        #expect(record.ownBytes(of: hot) > record.ownBytes(of: disks))
        #expect(record.ownBytes(of: .random()) == 0)
        await host.close()
    }
}

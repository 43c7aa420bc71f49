// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import Foundation
import SystemPackage
import Testing

@testable import FermataEngine

/// What is wrong with a checkpoint is found before anything is touched.
@Suite(.serialized) struct DamageTests {
    /// A byte of a checkpoint's files that matters.
    struct Damage: Sendable {
        enum File: Sendable { case devices, memory, configuration, disk }

        var name: String
        var file: File
        /// Where the byte is in a file of that length.
        var offset: @Sendable (Int) -> Int

        func path(_ id: GUID, _ configuration: Configuration, in folder: MachineFolder) throws -> FilePath {
            switch file {
            case .devices: folder.deviceState(id)
            case .memory: folder.memoryImage(id)
            case .configuration: folder.checkpoint(id)
            case .disk: try DiskFiles.path(of: configuration.disks[0], machine: configuration.machine, in: folder)
            }
        }
    }

    static let damages: [Damage] = [
        Damage(name: "the devices' magic", file: .devices, offset: { _ in 3 }),
        Damage(name: "the devices' description", file: .devices, offset: { _ in 80 }),
        Damage(name: "the devices' state", file: .devices, offset: { $0 / 2 }),
        Damage(name: "the memory's magic", file: .memory, offset: { _ in 1 }),
        Damage(name: "the memory's header", file: .memory, offset: { _ in 20 }),
        Damage(name: "a page of the memory", file: .memory, offset: { $0 / 2 }),
        Damage(name: "the memory's table", file: .memory, offset: { $0 - 4 }),
        Damage(name: "the configuration's root", file: .configuration, offset: { _ in 45 }),
        Damage(name: "the configuration's end", file: .configuration, offset: { $0 - 4 }),
        Damage(name: "the disk's header", file: .disk, offset: { _ in 512 + 20 }),
    ]

    @Test func `an apply of a damaged checkpoint refuses before it touches anything, and the machine runs on`()
        async throws
    {
        let lab = try LiveLab()
        let host = try await lab.running()
        _ = try await host.output(of: "echo first > /tmp/word")
        _ = try await host.checkpoint(CheckpointRequest(name: "first"))
        // Its disk is a differencing one.
        let id = try await host.checkpoint(CheckpointRequest(name: "second")).id
        _ = try await host.output(of: "echo after > /tmp/word; sync")
        // Their digests are recorded beside the guest.
        try await host.mergeDisks()
        // What restores take for granted once it is there.
        _ = try await host.apply(id)
        _ = try await host.output(of: "echo after > /tmp/word; sync")
        let configuration = try #require(await host.files.checkpoints[id])
        for damage in Self.damages {
            let path = try damage.path(id, configuration, in: host.folder)
            try await Self.flip(path, at: damage.offset) {
                let before = StoreFingerprint(of: lab.folder.path)
                let error = await #expect(throws: EngineError.self, "\(damage.name)") { try await host.apply(id) }
                let sentence = error?.description ?? ""
                #expect(sentence.contains(path.lastComponent?.string ?? "-"), "\(damage.name): \(sentence)")
                #expect(!sentence.contains("\n") && sentence.count < 600, "\(damage.name): \(sentence)")
                // The guest writes nothing now; only its console's log may grow.
                let changes = before.changes(to: StoreFingerprint(of: lab.folder.path))
                #expect(changes.filter { !$0.hasSuffix(".console") } == [], "\(damage.name)")
                let state = await host.state
                #expect(state == .running, "\(damage.name)")
                let word = try await host.output(of: "cat /tmp/word")
                #expect(word == "after", "\(damage.name)")
            }
        }
        // Whole again, it can be applied.
        _ = try await host.apply(id)
        #expect(try await host.output(of: "cat /tmp/word") == "first")
        try await host.turnOff()
    }

    /// Turns one bit of a file, and back after the body.
    static func flip(_ path: FilePath, at place: (Int) -> Int, _ body: () async throws -> Void) async throws {
        let whole = try #require(FileManager.default.contents(atPath: path.string))
        let offset = place(whole.count)
        let file = try FileDescriptor.open(path, .readWrite)
        defer { try? file.close() }
        try file.writeAll(toAbsoluteOffset: Int64(offset), [whole[offset] ^ 0x04])
        defer { _ = try? file.writeAll(toAbsoluteOffset: Int64(offset), [whole[offset]]) }
        try await body()
    }
}

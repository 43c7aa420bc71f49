// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import FermataModel
import FermataTestSupport
import Foundation
import Hashing
import StorageTestSupport
import SystemPackage
import Testing
import VirtualDisk

@testable import FermataEngine

/// What the disks of checkpoints read as, in one number each, is recorded and never changes.
struct DigestTests {
    /// The digest as it is defined, of bytes.
    static func digest(of bytes: [UInt8]) -> String {
        var sum = [UInt8](repeating: 0, count: 32)
        for start in stride(from: 0, to: bytes.count, by: 64 << 10) {
            let block = bytes[start..<min(start + (64 << 10), bytes.count)]
            guard block.contains(where: { $0 != 0 }) else { continue }
            let number = UInt64(start / (64 << 10))
            let hash = SHA256.digest(of: (0..<8).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) } + block)
            var carry = 0
            for index in 0..<32 {
                carry += Int(sum[index]) + Int(hash.bytes[index])
                sum[index] = UInt8(truncatingIfNeeded: carry)
                carry >>= 8
            }
        }
        return Digest(bytes: sum).description
    }

    @Test(arguments: SeededGenerator.seeds(TreeTests.isLong ? 8 : 2))
    func `digests are those of the content, whatever is made, merged and deleted`(seed: UInt64) async throws {
        let model = try TreeModel(seed: seed)
        var recorded = 0
        for number in 0..<(TreeTests.isLong ? 200 : 25) {
            let done = try await model.act(atMost: 12)
            let comment: Comment = "FERMATA_SEED=\(seed), \(number): \(done)"
            let isOff = model.now.state == .off || model.now.state == .saved
            if !isOff { try await model.host.mergeDisks() }
            let record = try MachineRecord(reading: model.host.folder)
            for (id, node) in model.nodes {
                let configuration = try #require(record.checkpoints[id], comment)
                guard let digests = configuration.digests else {
                    // Whoever turns the machine off may leave some pending.
                    #expect(isOff, comment)
                    continue
                }
                let expected = node.moment.disks.map(Self.digest)
                #expect(digests.map(\.description) == expected, comment)
                recorded += 1
            }
        }
        #expect(recorded > 0, "FERMATA_SEED=\(seed)")
        let ids = model.nodes.keys.sorted()
        let found = try model.host.folder.verify(ids)
        #expect(found.count == ids.count && found.allSatisfy(\.isOK), "FERMATA_SEED=\(seed): \(found)")
    }

    @Test func `texts are digests only as they are written`() {
        let text = String(repeating: "0123456789abcdef", count: 4)
        #expect(ContentDigest(text)?.description == text)
        for wrong in ["", "0", text.uppercased(), String(text.dropLast()), text + "0", "g" + text.dropFirst()] {
            #expect(ContentDigest(wrong) == nil)
        }
        #expect(ContentDigest().description == String(repeating: "0", count: 64))
    }

    @Test func `what a killed host left pending, the next one that takes a checkpoint or runs works out`() async throws
    {
        let folder = try TemporaryFolder()
        let lab = try await DoctoredLab(in: folder.path.appending("lab"))
        let before = try MachineRecord(reading: lab.web).checkpoints
        func forget() throws {
            for (id, configuration) in before {
                var pending = configuration
                pending.digests = nil
                try FileSystem.commit(pending.file(), to: lab.web.checkpoint(id))
            }
        }
        func found() throws -> [GUID: [ContentDigest]?] {
            try MachineRecord(reading: lab.web).checkpoints.filter { before[$0.key] != nil }.mapValues(\.digests)
        }
        let expected = before.mapValues(\.digests)
        #expect(expected.values.allSatisfy { $0 != nil })
        try forget()
        // Looking changes nothing.
        let pending = try lab.web.verify([lab.root, lab.hot, lab.last])
        #expect(pending.allSatisfy { $0.isOK && $0.isPending } && pending.count == 3)
        #expect(try found().values.allSatisfy { $0 == nil })
        try await lab.withHost { host in
            #expect(try found().values.allSatisfy { $0 == nil })
            _ = try await host.checkpoint(CheckpointRequest(name: "next"))
            #expect(try found() == expected)
        }
        try forget()
        try await lab.withHost { host in
            try await host.start()
            try await host.mergeDisks()
            #expect(try found() == expected)
        }
    }

    @Test(arguments: [false, true])
    func `an exported checkpoint keeps its digests, and a fork has none`(flattened: Bool) async throws {
        let folder = try TemporaryFolder()
        let lab = try await DoctoredLab(in: folder.path.appending("lab"))
        let expected = try #require(MachineRecord(reading: lab.web).checkpoints[lab.hot]?.digests)
        let place = folder.path.appending("out")
        try await lab.withHost { host in
            try await host.export(lab.hot, to: place, flattened: flattened)
            _ = try await host.fork(lab.hot, as: "fork")
            #expect(try MachineRecord(reading: lab.lab.machine("fork")).now.digests == nil)
            _ = try await host.apply(lab.hot)
            #expect(await host.files.now.digests == nil)
        }
        let exported = try Configuration(reading: place.appending("Virtual Machines").appending("\(lab.id).xml"))
        #expect(exported.digests == expected)
        for (disk, digest) in zip(exported.disks, expected) {
            #expect(try ContentDigest(of: DiskChain.open(FilePath(disk.path), beneath: place)) == digest)
        }
        let other = try LabFolder.create(folder.path.appending("other"))
        #expect(try MachineRecord(reading: other.importMachine(from: place)).now.digests == nil)
    }
}

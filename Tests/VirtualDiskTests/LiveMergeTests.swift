// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import Dispatch
import StorageTestSupport
import Synchronization
import SystemPackage
import Testing

@testable import VirtualDisk

/// Merges beside readers and writers.
struct LiveMergeTests {
    /// How much each of four disks has, and which goes into the one that grew from it.
    struct Plan: Sendable, CustomTestStringConvertible {
        var disk: Int
        var dirty: [Int]
        var kind: DiskKind = .dynamic

        var testDescription: String { "\(disk) of \(dirty), \(kind)" }
    }

    static let plans: [Plan] = [
        // The disk has less than its child, or more: that chooses the way.
        Plan(disk: 0, dirty: [2, 12, 6, 6]), Plan(disk: 0, dirty: [14, 1, 6, 6]),
        Plan(disk: 1, dirty: [6, 2, 12, 6]), Plan(disk: 1, dirty: [6, 14, 1, 6]),
        Plan(disk: 1, dirty: [6, 14, 0, 6]), Plan(disk: 0, dirty: [14, 1, 6, 6], kind: .fixed),
    ]

    @Test(arguments: plans, [DiskFormat.vhd, .vhdx])
    func `a merged disk's child reads as before, also for who has it open`(plan: Plan, format: DiskFormat) throws {
        let seed = SeededGenerator.seeds(1)[0]
        let chain = try RecordedChain(depth: 4, seed: seed, kind: plan.kind, dirty: plan.dirty, format: format)
        let comment = "FERMATA_SEED=\(seed)"
        let folder = RecordingTree(chain.files)
        let leaf = chain.names[3]
        let open = try DiskChain.open([leaf], in: folder, access: .readWrite)
        func expectSame(_ chain: DiskChain, _ when: String) throws {
            let found = StampedSectors.numbers(try chain.bytes(at: 0, count: Int(chain.size)))
            #expect(found == content, "\(comment), \(when)")
        }
        let content = try #require(chain.content[leaf])
        let (disk, child) = (chain.names[plan.disk], chain.names[plan.disk + 1])
        let merge = try ChildMerge(of: [disk], into: [child], in: folder)
        // Ended half-way, and begun again.
        #expect(throws: DiskError.self) {
            try merge.copy { done, total throws(StorageError) in
                if done >= total / 2 { throw StorageError(.cancelled, name: "a test", detail: "ends it") }
            }
            // Nothing was to be copied.
            if merge.total == 0 { throw DiskError(.invalidArgument, path: disk, "has nothing to copy") }
        }
        try chain.expect(folder, without: [disk], "\(comment), ended")
        try merge.copy()
        try expectSame(open, "copied")
        let outcome = try merge.commit()
        #expect(outcome.removed.map(\.lastComponent?.string) == [disk])
        try expectSame(open, "committed")
        try chain.expect(folder, without: [disk], "\(comment), committed")
        let fresh = try open.reopened()
        try expectSame(fresh, "opened anew")
        #expect(fresh.layers.count == 3, "\(comment)")
        try fresh.write(StampedSectors.bytes(7, 3..<5), at: 3 * 512)
        try fresh.close()
        let again = try DiskChain.open([leaf], in: folder, access: .readOnly)
        #expect(StampedSectors.numbers(try again.bytes(at: 0, count: 5 * 512))[3...4] == [7, 7], "\(comment)")
        #expect(folder.files[disk] == nil)
    }

    @Test(arguments: plans.prefix(5), [1, 2] as [UInt64])
    func `a merge that a power cut ends has not happened, or has`(plan: Plan, seed: UInt64) throws {
        let chain = try RecordedChain(depth: 4, seed: seed, kind: plan.kind, dirty: plan.dirty)
        let folder = RecordingTree(chain.files)
        let (disk, child) = (chain.names[plan.disk], chain.names[plan.disk + 1])
        let merge = try ChildMerge(of: [disk], into: [child], in: folder)
        try merge.copy()
        _ = try merge.commit()
        var generator = SeededGenerator(seed: seed)
        var files = CrashedFiles(chain.files)
        let stride = RecordedChain.isThorough ? 1 : max(1, folder.log.count / 6)
        for (index, change) in folder.log.enumerated() {
            files.advance(change)
            guard (index + Int(seed)).isMultiple(of: stride) || index > folder.log.count - 16 else { continue }
            for (state, kind) in [(files.all, "all"), (files.some(using: &generator), "some")] {
                let tree = RecordingTree(state)
                let comment = "seed \(seed), \(kind) of \(index + 1)"
                try DiskRecovery.finish([chain.names[3]], in: tree)
                try chain.expect(tree, without: [disk], comment)
                // It can be done again until it is done.
                if tree.files[disk] != nil {
                    let merge = try ChildMerge(of: [disk], into: [child], in: tree)
                    try merge.copy()
                    _ = try merge.commit()
                    try chain.expect(tree, without: [disk], "\(comment), again")
                }
            }
        }
    }

    @Test func `a disk that others need is not merged into its child`() throws {
        let chain = try RecordedChain(depth: 3, seed: 3, twin: true)
        let folder = RecordingTree(chain.files)
        let error = try #require(
            #expect(throws: DiskError.self) { try ChildMerge(of: ["d1.avhd"], into: ["d2.avhd"], in: folder) })
        #expect(error.code == .inUse && error.found == "/recording/d3.avhd", "\(error)")
        #expect(throws: DiskError.self) { try ChildMerge(of: ["d0.vhd"], into: ["d2.avhd"], in: folder) }
        #expect(folder.log.isEmpty)
    }

    @Test(arguments: [DiskFormat.vhd, .vhdx], [DiskKind.dynamic, .fixed])
    func `a disk that is written while it is merged loses nothing`(format: DiskFormat, kind: DiskKind) throws {
        let seed = SeededGenerator.seeds(1)[0]
        let chain = try RecordedChain(
            depth: kind == .fixed ? 2 : 3, seed: seed, kind: kind, dirty: [6, 12], format: format)
        let (name, parent) = (try #require(chain.names.last), chain.names[chain.names.count - 2])
        let folder = RecordingTree(chain.files)
        let leaf = try DiskChain.open([name], in: folder, access: .readWrite)
        let merge = try LeafMerge(of: leaf, into: [parent])
        let content = Mutex(try #require(chain.content[name]))
        let writers = DispatchGroup()
        let failure = Mutex<(any Error)?>(nil)
        for writer in 0..<2 {
            DispatchQueue.global().async(group: writers) {
                var random = SeededGenerator(seed: seed &+ UInt64(writer))
                // Each has sectors of its own.
                for round in 1...300 {
                    let sector = Int.random(in: 0..<RecordedChain.sectors / 2, using: &random) * 2 + writer
                    let stamp = 1000 + round * 2 + writer
                    do {
                        if round % 9 == 0 {
                            try merge.device.writeZeroes(UInt64(sector) * 512..<UInt64(sector + 1) * 512)
                        } else {
                            try merge.device.write(
                                StampedSectors.bytes(stamp, sector..<sector + 1), at: UInt64(sector) * 512)
                        }
                    } catch { failure.withLock { $0 = error } }
                    content.withLock { $0[sector] = round % 9 == 0 ? 0 : stamp }
                }
            }
        }
        try merge.copy(true)
        for _ in 0..<3 { try merge.copy(false) }
        writers.wait()
        #expect(failure.withLock { $0 } == nil)
        // As a crash would leave it: the leaf hides what was copied.
        try leaf.flush()
        let expected = content.withLock { $0 }
        #expect(try RecordedChain.read(name, in: RecordingTree(folder.files)) == expected, "seed \(seed)")
        try merge.finish()
        let target = merge.target
        #expect(StampedSectors.numbers(try target.bytes(at: 0, count: Int(target.size))) == expected, "seed \(seed)")
        try target.write(StampedSectors.bytes(9, 0..<1), at: 0)
        try target.close()
        #expect(try RecordedChain.read(parent, in: folder) == [9] + expected.dropFirst(), "seed \(seed)")
    }

    @Test func `a merge that is given up leaves the leaf as it is`() throws {
        let chain = try RecordedChain(depth: 3, seed: 9)
        let folder = RecordingTree(chain.files)
        let leaf = try DiskChain.open([chain.names[2]], in: folder, access: .readWrite)
        let merge = try LeafMerge(of: leaf, into: [chain.names[1]])
        #expect(throws: DiskError.self) {
            try merge.copy(true) { _, _ throws(StorageError) in
                throw StorageError(.cancelled, name: "a test", detail: "ends it")
            }
        }
        merge.abandon()
        try leaf.close()
        #expect(try RecordedChain.read(chain.names[2], in: folder) == chain.content[chain.names[2]])
        #expect(throws: DiskError.self) { try LeafMerge(of: leaf, into: ["d0.vhd"]) }
    }
}

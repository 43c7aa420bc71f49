// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import Foundation
import StorageTestSupport
import SystemPackage
import Testing
import VirtualDisk

struct ForestTests {
    /// Seeds that have their turn one after the other, for each keeps all its disks in memory.
    struct Lane: Sendable, CustomTestStringConvertible {
        let number: Int
        let seeds: [UInt64]

        var testDescription: String { "lane \(number) of \(seeds.count) seeds" }
    }

    static let isThorough: Bool = ProcessInfo.processInfo.environment["FERMATA_TEST_ALL"] != nil

    /// Both formats, sectors of 4096 bytes (3), requests of single bytes (5) and of whole 4 KiB (3, 6) among them.
    static let lanes: [Lane] = {
        let drawn = SeededGenerator.seeds(isThorough ? 240 : 2)
        let seeds = drawn.count == 1 ? drawn : [3, 4, 5, 6] + drawn
        return [0, 1].map { lane in
            Lane(number: lane, seeds: seeds.enumerated().filter { $0.offset % 2 == lane }.map(\.element))
        }
    }()

    /// A chain that is as deep as the seed says, and then anything at all.
    private func forest(_ seed: UInt64, steps: Int) throws -> DiskForest {
        var forest = try DiskForest(seed: seed)
        do {
            for _ in 0..<Int(seed % 8) {
                for _ in 0..<4 { try forest.request() }
                try forest.addChild(to: forest.leaves[0])
            }
            for number in 1...steps {
                try forest.step()
                if number.isMultiple(of: 20) { try forest.checkAll() }
            }
            try forest.checkAll()
            return forest
        } catch {
            throw DiskForest.Failure(description: "\(error); \(forest.story)")
        }
    }

    @Test(.enabled(if: OutsideReader.hasSevenZip, "7zz or qemu-img is not installed"), arguments: lanes)
    func `whatever is done to disks, they read as they must, here and by others`(lane: Lane) async throws {
        for seed in lane.seeds {
            print("forest seed \(seed)")
            do {
                try await forest(seed, steps: 60).expectOthersAgree(OutsideReader())
            } catch {
                // The other seeds have their turn nevertheless.
                Issue.record("\(error)")
            }
        }
    }

    @Test(.enabled(if: OutsideReader.hasSevenZip, "7zz or qemu-img is not installed"), arguments: [3, 4])
    func `one byte of a file that changes behind our back is noticed, here and by others`(seed: UInt64) async throws {
        var forest = try forest(seed, steps: 20)
        let outside = try OutsideReader()
        let number = try forest.changeOneByte()
        #expect(throws: DiskForest.Failure.self) { try forest.checkAll() }
        let changed = forest
        await withKnownIssue { try await changed.expectOthersAgree(on: number, outside) }
    }
}

extension DiskForest {
    /// Finds a sector that a disk shows in the disk's own file, and changes a byte of it.
    ///
    /// - Returns: the disk's number.
    fileprivate func changeOneByte() throws -> Int {
        for number in numbers {
            let disk = try disk(number)
            guard disk.format != .raw else { continue }
            let file = try #require(FileManager.default.contents(atPath: disk.path.string))
            for sector in stride(from: 0, to: disk.content.count, by: 512) {
                let bytes = disk.content[sector..<sector + 512]
                guard bytes.contains(where: { $0 != 0 }), let place = file.range(of: Data(bytes)) else { continue }
                let store = try FileStore(opening: disk.path, access: .readWrite)
                let time = try store.status().modificationTime
                try store.write([file[place.lowerBound + 100] ^ 1], at: UInt64(place.lowerBound + 100))
                try store.setModificationTime(time)
                return number
            }
        }
        throw Failure(description: "no disk shows anything of its own; \(story)")
    }
}

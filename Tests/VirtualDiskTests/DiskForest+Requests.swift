// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import StorageTestSupport
import Testing
import VirtualDisk

extension DiskForest {
    /// A range that likes the start, the end and the borders of blocks.
    mutating func range(in size: Int, upTo longest: Int) -> Range<Int> {
        let places = size / unit
        let length = Int.random(in: 1...max(1, longest / unit), using: &generator)
        let start: Int
        switch Int.random(in: 0..<8, using: &generator) {
        case 0: start = 0
        case 1: start = max(0, places - length)
        case 2:
            let border = Int.random(in: 0...size >> 19, using: &generator) << 19
            start = max(0, min(places - 1, border / unit - length / 2))
        default: start = Int.random(in: 0..<places, using: &generator)
        }
        return start * unit..<min(start + length, places) * unit
    }

    /// One request to any leaf.
    mutating func request() throws {
        let leaf = pick(leaves)
        let size = try disk(leaf).content.count
        let chain = try open(leaf)
        switch Int.random(in: 0..<100, using: &generator) {
        case 0..<55:
            let range = range(in: size, upTo: generator.chance(10) ? 2 << 20 : 64 << 10)
            tell("write \(name(leaf)) \(range)")
            let bytes = generator.bytes(range.count)
            try chain.write(bytes, at: UInt64(range.lowerBound))
            disks[leaf]?.content.replaceSubrange(range, with: bytes)
            disks[leaf]?.traps.remove(.noBitmap)
        case 55..<75:
            let longest = generator.chance(50) ? (isAligned ? 1 << 20 : 3 << 20) : 8 << 10
            let range = range(in: size, upTo: longest)
            tell("zero \(name(leaf)) \(range)")
            try chain.writeZeroes(UInt64(range.lowerBound)..<UInt64(range.upperBound))
            disks[leaf]?.content.replaceSubrange(range, with: [UInt8](repeating: 0, count: range.count))
            noteHidden(range, in: leaf)
        case 75..<90: try trim(leaf, range(in: size, upTo: 1 << 20), chain)
        default:
            tell("flush \(name(leaf))")
            try chain.flush()
        }
    }

    /// Trims: what was there is there still or zeros, a sector at a time, and stays so.
    private mutating func trim(_ leaf: Int, _ range: Range<Int>, _ chain: DiskChain) throws {
        tell("trim \(name(leaf)) \(range)")
        try chain.discard(UInt64(range.lowerBound)..<UInt64(range.upperBound))
        let found = try chain.bytes(at: UInt64(range.lowerBound), count: range.count)
        let before = try disk(leaf).content
        var start = range.lowerBound
        while start < range.upperBound {
            let sector = start..<min(range.upperBound, start / 512 * 512 + 512)
            let piece = Array(found[sector.lowerBound - range.lowerBound..<sector.upperBound - range.lowerBound])
            try check(
                piece.isSame(as: before[sector]) || piece.allSatisfy { $0 == 0 },
                "\(name(leaf)): the trimmed \(sector) reads as neither what it was nor zeros")
            start = sector.upperBound
        }
        disks[leaf]?.content.replaceSubrange(range, with: found)
        noteHidden(range, in: leaf)
    }

    private mutating func noteHidden(_ range: Range<Int>, in leaf: Int) {
        guard let disk = disks[leaf], disk.parent != nil, disk.format == .vhdx else { return }
        for start in stride(from: 0, to: disk.content.count, by: 2 << 20)
        where range.lowerBound <= start && min(start + 2 << 20, disk.content.count) <= range.upperBound {
            disks[leaf]?.traps.insert(.hiddenBlock)
        }
    }

    /// The chain of a leaf, open for writing.
    mutating func open(_ leaf: Int) throws -> DiskChain {
        if let chain = opened[leaf] { return chain }
        if opened.count == 2, let oldest = opened.keys.min() { try close(oldest) }
        let chain = try DiskChain.open(disk(leaf).path, beneath: folder.path, access: .readWrite)
        opened[leaf] = chain
        return chain
    }

    mutating func close(_ leaf: Int) throws {
        guard let chain = opened.removeValue(forKey: leaf) else { return }
        tell("close \(name(leaf))")
        try chain.close()
    }

    mutating func closeAll() throws {
        for leaf in opened.keys.sorted() { try close(leaf) }
    }
}

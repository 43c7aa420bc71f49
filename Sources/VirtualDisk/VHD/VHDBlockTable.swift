// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage

/// The block allocation table: where in the file each block begins, in sectors.
///
/// A large disk has little of most blocks, and a long chain has many disks. So a table of a disk that is not written
/// keeps the blocks that there are; that of one that is written has a place for each.
///
/// ```
///   compact   blocks   3   9  17         entries  @3 @9 @17          position: an index of both
///   full                                 entries  -- -- -- @3 …      position: the block's number
/// ```
struct VHDBlockTable: Sendable {
    /// The number of blocks of the disk.
    let count: Int
    /// The blocks that there are, ascending; nil when `entries` has a place for each.
    private var blocks: [UInt32]?
    private var entries: [UInt32]
    /// What the table's last sector has behind the disk's blocks, which is kept as it is.
    private let tail: [UInt32]

    /// The entries of one sector.
    static let perSector = 128

    /// Reads a table, of which little is in memory at a time.
    init(of store: any ByteStore, at offset: UInt64, count: Int) throws(StorageError) {
        self.count = count
        var (blocks, entries, tail): ([UInt32], [UInt32], [UInt32]) = ([], [], [])
        let total = (count + Self.perSector - 1) / Self.perSector * Self.perSector
        var buffer = [UInt8](repeating: 0, count: min(total * 4, Self.readLength))
        var first = 0
        while first < total {
            let number = min(total - first, Self.readLength / 4)
            do {
                var span = buffer.mutableSpan
                var bytes = unsafe span.mutableBytes
                var part = bytes._mutatingExtracting(first: number * 4)
                try store.readFully(into: &part, at: offset + UInt64(first) * 4)
            }
            unsafe buffer.withUnsafeBytes { bytes in
                var index = 0
                while index < number {
                    // Two entries at once, for nearly all of them are unused.
                    if unsafe bytes.loadUnaligned(fromByteOffset: index * 4, as: UInt64.self) == .max {
                        index += 2
                        continue
                    }
                    for position in index..<index + 2 {
                        let entry = unsafe UInt32(
                            bigEndian: bytes.loadUnaligned(fromByteOffset: position * 4, as: UInt32.self))
                        if entry != VHD.unused, first + position < count {
                            blocks.append(UInt32(truncatingIfNeeded: first + position))
                            entries.append(entry)
                        }
                    }
                    index += 2
                }
                if first + number == total {
                    for position in (count - first)..<number {
                        unsafe tail.append(
                            UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: position * 4, as: UInt32.self)))
                    }
                }
            }
            first += number
        }
        self.blocks = blocks
        self.entries = entries
        self.tail = tail
    }

    /// What is read at a time.
    private static let readLength = 256 << 10

    /// Makes a place for every block, so that blocks can be added.
    mutating func expand() {
        guard let blocks else { return }
        var full = [UInt32](repeating: VHD.unused, count: count)
        for (block, entry) in zip(blocks, entries) { full[Int(block)] = entry }
        entries = full
        self.blocks = nil
    }

    /// So many positions there are.
    var positions: Int { entries.count }

    /// Where a block's entry stands; nil when the file does not have the block.
    func position(of block: Int) -> Int? {
        guard let blocks else { return entries[block] == VHD.unused ? nil : block }
        let index = blocks.partitioningIndex { $0 >= block }
        return index < blocks.count && blocks[index] == block ? index : nil
    }

    /// Where the block at a position begins, in bytes.
    func offset(at position: Int) -> UInt64 {
        UInt64(entries[position]) * 512
    }

    /// Adds a block to a table that was expanded.
    mutating func add(_ block: Int, at sector: UInt32) {
        entries[block] = sector
    }

    /// The blocks that the file has, ascending.
    var presentBlocks: [UInt32] {
        blocks ?? entries.indices.filter { entries[$0] != VHD.unused }.map { UInt32($0) }
    }

    /// Where each block of the file begins, in sectors, in the order of the blocks.
    var presentEntries: [UInt32] {
        blocks == nil ? entries.filter { $0 != VHD.unused } : entries
    }

    /// A sector of a table that was expanded, as it goes to the file.
    func bytes(ofSector sector: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(512)
        for index in sector * Self.perSector..<(sector + 1) * Self.perSector {
            let entry = index < count ? entries[index] : tail[index - count]
            for shift in [24, 16, 8, 0] as [UInt32] { bytes.append(UInt8(truncatingIfNeeded: entry >> shift)) }
        }
        return bytes
    }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// The sector bitmaps of a disk's blocks, those that were needed so far.
///
/// A bitmap has one bit per sector. Words are kept with the highest bit for the first of its sectors, whatever the file
/// does, so that runs are found by counting leading zeros.
struct SectorBitmaps: Sendable {
    /// Which bit of a byte stands for the first of its eight sectors in the file.
    enum BitOrder: Sendable { case highestFirst, lowestFirst }

    /// The sectors of a block.
    let sectors: Int
    /// The bytes that a block's bitmap takes in the file, whole sectors.
    let byteCount: Int

    private let order: BitOrder
    private let wordCount: Int
    private var slots: SparseArray<Int32>
    private var words: [UInt64] = []

    private static let absent: Int32 = -1
    private static let full: Int32 = -2

    init(blocks: Int, sectors: Int, order: BitOrder = .highestFirst) {
        self.sectors = sectors
        self.order = order
        byteCount = (sectors / 8 + 511) / 512 * 512
        wordCount = (sectors + 63) / 64
        slots = SparseArray(count: blocks, of: Self.absent)
    }

    /// Whether the block's bitmap was loaded or made.
    func isLoaded(_ block: Int) -> Bool {
        slots[block] != Self.absent
    }

    /// Takes over a block's bitmap as it is in the file.
    mutating func load(_ block: Int, _ bytes: [UInt8]) {
        if bytes.prefix(sectors / 8).allSatisfy({ $0 == 0xFF }) {
            slots[block] = Self.full
            return
        }
        makeEmpty(block)
        let base = Int(slots[block]) * wordCount
        for index in 0..<min(sectors / 8, bytes.count) {
            words[base + index / 8] |= UInt64(ordered(bytes[index])) << UInt64(56 - index % 8 * 8)
        }
    }

    /// Begins with a block that has no sector.
    mutating func makeEmpty(_ block: Int) {
        slots[block] = Int32(words.count / wordCount)
        words.append(contentsOf: repeatElement(0, count: wordCount))
    }

    /// Begins with a block that has every sector.
    mutating func makeFull(_ block: Int) {
        slots[block] = Self.full
    }

    /// Whether the sector is there, and how many after it are like it, at most `limit`.
    func run(_ block: Int, from sector: Int, limit: Int) -> (isPresent: Bool, count: Int) {
        guard slots[block] >= 0 else { return (slots[block] == Self.full, limit) }
        let base = Int(slots[block]) * wordCount
        let isPresent = words[base + sector / 64] & (1 << UInt64(63 - sector % 64)) != 0
        var position = sector
        while position < sector + limit {
            let word = words[base + position / 64] << UInt64(position % 64)
            let available = 64 - position % 64
            let alike = min((isPresent ? ~word : word).leadingZeroBitCount, available)
            position += alike
            if alike < available { break }
        }
        return (isPresent, min(position - sector, limit))
    }

    /// Notes sectors as present.
    ///
    /// - Returns: whether one of them was not.
    mutating func insert(_ block: Int, _ range: Range<Int>) -> Bool {
        guard slots[block] >= 0 else { return false }
        let base = Int(slots[block]) * wordCount
        var hasChanged = false
        var position = range.lowerBound
        while position < range.upperBound {
            let first = position % 64
            let count = min(64 - first, range.upperBound - position)
            let mask = (UInt64.max << UInt64(64 - count)) >> UInt64(first)
            let word = words[base + position / 64]
            if word | mask != word {
                words[base + position / 64] = word | mask
                hasChanged = true
            }
            position += count
        }
        return hasChanged
    }

    /// The block's bitmap as it goes to the file.
    func bytes(_ block: Int) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: byteCount)
        for index in 0..<sectors / 8 {
            guard slots[block] >= 0 else {
                bytes[index] = 0xFF
                continue
            }
            let word = words[Int(slots[block]) * wordCount + index / 8]
            bytes[index] = ordered(UInt8(truncatingIfNeeded: word >> UInt64(56 - index % 8 * 8)))
        }
        return bytes
    }

    /// A byte of the file as one of a word, and back.
    private func ordered(_ byte: UInt8) -> UInt8 {
        guard order == .lowestFirst else { return byte }
        let pairs = (byte & 0x55) << 1 | (byte & 0xAA) >> 1
        let fours = (pairs & 0x33) << 2 | (pairs & 0xCC) >> 2
        return fours << 4 | fours >> 4
    }
}

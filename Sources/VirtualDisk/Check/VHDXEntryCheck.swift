// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// Checks one entry of a block table after the other.
struct VHDXEntryCheck {
    enum Outcome {
        case right
        case wrong(String, String)
        /// What is wrong means nothing, and is not there in the right entry.
        case clearable(String, String, UInt64)
    }

    let table: VHDXTable
    private let kind: DiskKind
    private let blockSize: UInt64
    /// The file's end.
    private let end: UInt64

    /// Where the blocks and bitmaps are.
    private(set) var parts: [VHDXPart] = []
    /// The chunks that have a bitmap.
    private(set) var bitmaps: Set<Int> = []
    /// The chunks that need one, each with the first block that does.
    private(set) var partial: [Int: Int] = [:]
    /// The number of blocks that have a place.
    private(set) var placed: Int = 0

    private static let reserved: UInt64 = 0xF_FFF8

    init(_ metadata: VHDXMetadata, end: UInt64) {
        table = VHDXTable(metadata)
        kind = metadata.kind
        blockSize = UInt64(metadata.blockSize)
        self.end = end
    }

    mutating func check(_ raw: UInt64, at index: Int) -> Outcome {
        let entry = VHDXEntry(raw: raw)
        guard index < table.count, table.block(at: index) ?? 0 < table.blocks else { return checkRest(entry, index) }
        guard let block = table.block(at: index) else { return checkBitmap(raw, entry, index) }
        guard let state = entry.state else {
            return .wrong("block-state", "block \(block) is in the state \(raw & 7), which the format does not know")
        }
        if state == .partiallyPresent {
            guard kind == .differencing else {
                return .wrong("block-state", "block \(block) leaves sectors to a parent, and the disk has none")
            }
            let chunk = table.chunk(ofBlock: block)
            partial[chunk] = min(partial[chunk] ?? block, block)
        }
        if entry.offset != 0 { placed += 1 }
        if entry.isStored {
            guard isInside(entry, count: blockSize) else {
                return .wrong(
                    "block-outside",
                    "block \(block) is at \(entry.offset), and does not lie inside the file of \(end) bytes")
            }
            parts.append(VHDXPart(range: entry.offset..<entry.offset + blockSize, what: .block(block)))
        }
        guard raw & Self.reserved != 0 else { return .right }
        let message = "the table's entry of block \(block) has bits set that mean nothing"
        // Of an entry without a place the state itself may be what was damaged.
        guard entry.isStored || entry.raw == 0 else { return .wrong("entry-reserved", message) }
        return .clearable("entry-reserved", message, entry.raw)
    }

    private mutating func checkBitmap(_ raw: UInt64, _ entry: VHDXEntry, _ index: Int) -> Outcome {
        let chunk = index / (1 << table.ratioBits + 1)
        guard kind == .differencing else {
            return .clearable("bitmap-needless", "the disk has no parent, and a sector bitmap \(chunk)", 0)
        }
        switch entry.state {
        case .notPresent:
            return raw & Self.reserved == 0
                ? .right
                : .clearable(
                    "entry-reserved", "the table's entry of bitmap \(chunk) has bits set that mean nothing", entry.raw)
        case .fullyPresent:
            guard isInside(entry, count: VHDX.alignment) else {
                return .wrong(
                    "bitmap-outside",
                    "sector bitmap \(chunk) is at \(entry.offset), and does not lie inside the file of \(end) bytes")
            }
            bitmaps.insert(chunk)
            parts.append(VHDXPart(range: entry.offset..<entry.offset + VHDX.alignment, what: .bitmap(chunk)))
            guard raw & Self.reserved != 0 else { return .right }
            return .clearable(
                "entry-reserved", "the table's entry of bitmap \(chunk) has bits set that mean nothing", entry.raw)
        default:
            return .wrong(
                "bitmap-state", "sector bitmap \(chunk) is in the state \(raw & 7), which bitmaps do not have")
        }
    }

    /// What lies behind the entries that the disk needs stands for nothing, unless the size is what is wrong.
    private func checkRest(_ entry: VHDXEntry, _ index: Int) -> Outcome {
        let message = "the table goes on behind the \(table.blocks) blocks that the disk has, at entry \(index)"
        guard !entry.isStored || !isInside(entry, count: VHDX.alignment) else { return .wrong("table-rest", message) }
        return .clearable("table-rest", message, 0)
    }

    private func isInside(_ entry: VHDXEntry, count: UInt64) -> Bool {
        entry.offset >= VHDX.alignment && entry.offset <= end && end - entry.offset >= count
    }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage

extension VHDCheck {
    /// Checks the table, where the blocks are, and that nothing shares its place with anything.
    mutating func checkTable(_ header: VHDHeader, _ footer: VHDFooter) throws(DiskError) {
        for (number, locator) in header.locators.enumerated() where locator.length > 0 || locator.space > 0 {
            guard let range = locator.range, range.upperBound <= end else { continue }
            used.append((range, "parent locator \(number)"))
        }
        let blockSize = UInt64(header.blockSize)
        let needed = (footer.size - 1) / blockSize + 1
        guard needed <= UInt64(header.tableEntries), UInt64(header.tableEntries) <= VHD.mostBlocks else {
            return findings.add(
                "table-entries", "the table has \(header.tableEntries) entries, and the disk needs \(needed)")
        }
        let room = VHD.roundUp(UInt64(header.tableEntries) * 4, to: 512)
        guard header.tableOffset % 512 == 0, header.tableOffset <= end, end - header.tableOffset >= room else {
            return findings.add(
                "table-outside", "the header says that the table is at \(header.tableOffset), outside the file")
        }
        used.append((header.tableOffset..<header.tableOffset + room, "the table"))
        let table = try bytes(at: header.tableOffset, count: Int(room))
        let bitmapSize = VHD.roundUp(blockSize / 4096, to: 512)
        var blocks: [(number: Int, start: UInt64)] = []
        for number in 0..<Int(needed) {
            let entry = Self.entry(number, of: table)
            guard entry != VHD.unused else { continue }
            let start = UInt64(entry) * 512
            guard start <= end, end - start >= bitmapSize + blockSize else {
                findings.add(
                    "block-outside", "block \(number) is at \(start), and does not lie inside the file of \(end) bytes")
                continue
            }
            used.append((start..<start + bitmapSize + blockSize, "block \(number)"))
            blocks.append((number, start))
        }
        checkAlignment(blocks, footer, bitmapSize: bitmapSize)
        // Blocks that only a reader sees which takes the size otherwise are no rubbish.
        let reach = (max(footer.size, footer.currentSize) - 1) / blockSize + 1
        try checkRest(of: table, header, needed: Int(min(reach, UInt64(header.tableEntries))))
        let isWhole = checkOverlaps()
        guard isWhole else { return }
        try checkBitmaps(blocks, footer, sectors: Int(blockSize / 512), bitmapSize: Int(bitmapSize))
    }

    /// Checks that data begins where this program lets it begin, at multiples of 4 KiB.
    ///
    /// Without this rule a place that is off by a few sectors would fit into the gap before the block. Programs that
    /// call themselves the same and do not align have few blocks that are.
    private mutating func checkAlignment(
        _ blocks: [(number: Int, start: UInt64)], _ footer: VHDFooter, bitmapSize: UInt64
    ) {
        let astray = blocks.filter { ($0.start + bitmapSize) % 4096 != 0 }
        guard footer.isOwn, blocks.count == 1 || astray.count * 2 <= blocks.count else { return }
        for (number, start) in astray {
            findings.add(
                "block-misaligned",
                "block \(number) is at \(start), and its data does not begin at a multiple of 4096 as it should")
        }
    }

    private static func entry(_ number: Int, of table: [UInt8]) -> UInt32 {
        table[number * 4..<number * 4 + 4].reduce(0) { $0 << 8 | UInt32($1) }
    }

    /// What lies behind the entries that the disk needs stands for nothing.
    private mutating func checkRest(of table: [UInt8], _ header: VHDHeader, needed: Int) throws(DiskError) {
        let entries = Int(header.tableEntries)
        let unusable = table[needed * 4..<entries * 4]
        let padding = table[(entries * 4)...]
        let isPlain = padding.allSatisfy { $0 == 0xFF } || padding.allSatisfy { $0 == 0 }
        guard !isPlain || unusable.contains(where: { $0 != 0xFF }) else { return }
        let offset = header.tableOffset + UInt64(needed * 4)
        findings.add(
            "table-rest", "the table goes on behind the \(needed) entries that the disk has",
            repair: [replace(offset, with: [UInt8](repeating: 0xFF, count: table.count - needed * 4))])
    }

    private mutating func checkOverlaps() -> Bool {
        let sorted = used.sorted { $0.range.lowerBound < $1.range.lowerBound }
        guard var widest = sorted.first else { return true }
        var isWhole = true
        for part in sorted.dropFirst() {
            if part.range.lowerBound < widest.range.upperBound {
                isWhole = false
                findings.add(
                    "overlap", "\(widest.what) and \(part.what) share the bytes at \(part.range.lowerBound)")
            }
            if part.range.upperBound > widest.range.upperBound { widest = part }
        }
        return isWhole
    }

    /// Checks that no data of a disk without a parent is hidden by a bitmap: some readers go by it, and some do not.
    private mutating func checkBitmaps(
        _ blocks: [(number: Int, start: UInt64)], _ footer: VHDFooter, sectors: Int, bitmapSize: Int
    ) throws(DiskError) {
        guard footer.type == .dynamic else { return }
        for (number, start) in blocks {
            let bitmap = try bytes(at: start, count: bitmapSize)
            guard bitmap.prefix(sectors / 8).contains(where: { $0 != 0xFF }) else { continue }
            var repaired = bitmap
            var hidden = 0
            let size = footer.size / 512 - min(footer.size / 512, UInt64(number) * UInt64(sectors))
            for sector in 0..<Int(min(size, UInt64(sectors))) where bitmap[sector / 8] & 0x80 >> UInt8(sector % 8) == 0
            {
                let data = try bytes(at: start + UInt64(bitmapSize + sector * 512), count: 512)
                guard data.contains(where: { $0 != 0 }) else { continue }
                hidden += 1
                repaired[sector / 8] |= 0x80 >> UInt8(sector % 8)
            }
            guard repaired != bitmap else { continue }
            findings.add(
                "bitmap-incomplete",
                "the bitmap of block \(number) marks \(hidden) sectors that hold data as empty, which not every "
                    + "reader heeds",
                repair: [replace(start, with: repaired)])
        }
    }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage

extension VHDXCheck {
    /// Checks the entries of the block table, and where in the file the blocks are.
    mutating func checkTable(_ metadata: VHDXMetadata, _ region: Range<UInt64>) throws(DiskError) {
        let end = try reaching(store.name) { () throws(StorageError) in try store.length() }
        var entries = VHDXEntryCheck(metadata, end: end)
        let room = region.upperBound - region.lowerBound
        guard entries.table.byteCount <= room else {
            return findings.add(
                "table-room",
                "the block table has room for \(room / 8) entries, and the disk needs \(entries.table.count)")
        }
        var position = region.lowerBound
        while position < region.upperBound {
            let data = try reaching(store.name) { () throws(StorageError) in try store.nextData(from: position) }
            guard let data else { break }
            position = max(position, data.lowerBound / UInt64(VHDX.page) * UInt64(VHDX.page))
            guard position < region.upperBound else { break }
            let count = min(64 * UInt64(VHDX.page), region.upperBound - position)
            let page = try reaching(store.name) { () throws(StorageError) in
                try store.bytes(at: position, count: Int(count))
            }
            check(page, at: position, of: region, &entries)
            position += count
        }
        used += entries.parts
        for (chunk, block) in entries.partial.sorted(by: { $0.key < $1.key }) where !entries.bitmaps.contains(chunk) {
            findings.add("bitmap-missing", "block \(block) has sectors of the parent's, and no bitmap says which")
        }
        // Others make fixed disks that take their space when it is written.
        if metadata.kind == .fixed, isOwn, entries.placed < entries.table.blocks {
            findings.add(
                "block-missing",
                "\(entries.table.blocks - entries.placed) of the \(entries.table.blocks) blocks of a fixed disk have "
                    + "no place in the file")
        }
    }

    /// Checks the entries of some pages, and collects what is to be cleared in them.
    private mutating func check(
        _ page: [UInt8], at position: UInt64, of region: Range<UInt64>, _ entries: inout VHDXEntryCheck
    ) {
        var repaired = page
        var kinds: [String: (count: Int, message: String)] = [:]
        for (place, raw) in Self.entries(of: page) {
            let index = Int((position - region.lowerBound) / 8) + place / 8
            switch entries.check(raw, at: index) {
            case .right: continue
            case .wrong(let code, let message): findings.add(code, message)
            case .clearable(let code, let message, let right):
                kinds[code, default: (0, message)].count += 1
                repaired.replaceSubrange(place..<place + 8, with: right.littleEndianBytes)
            }
        }
        guard !kinds.isEmpty else { return }
        let step = replace(position, with: repaired)
        for (code, found) in kinds.sorted(by: { $0.key < $1.key }) {
            let more = found.count > 1 ? ", and \(found.count - 1) more behind it" : ""
            add(code, found.message + more, repair: [step])
        }
    }

    /// The entries of a page of which there is anything, each with its place in the page.
    private static func entries(of page: [UInt8]) -> [(place: Int, raw: UInt64)] {
        unsafe page.withUnsafeBytes { bytes in
            var found: [(place: Int, raw: UInt64)] = []
            var place = 0
            while place + 8 <= bytes.count {
                let raw = unsafe UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: place, as: UInt64.self))
                if raw != 0 { found.append((place, raw)) }
                place += 8
            }
            return found
        }
    }
}

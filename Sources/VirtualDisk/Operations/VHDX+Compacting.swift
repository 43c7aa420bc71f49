// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage

extension VHDX {
    /// How a disk that grows is laid out when it stores what need be stored alone.
    ///
    /// Blocks, bitmaps, metadata and regions that are not known are taken over as they are; the log is empty. The file
    /// is another one then, and the disk is the same, so what its children know it by stays.
    static func compacting(_ store: any ByteStore, _ survey: DiskSurvey) throws(DiskError) -> DiskLayout {
        let headers = try VHDXHeaderPair(store)
        let structure = try VHDXStructure(store, headers.current)
        var layout = DiskLayout()
        layout.move(0..<64 << 10, to: 0)
        var end = alignment + UInt64(headers.current.logLength)
        let updates = try reaching(store.name) { () throws(StorageError) in
            try headers.updates { header in
                header.fileWrite = .random()
                header.log = .zero
                header.logOffset = alignment
            }
        }
        for (offset, bytes) in updates { layout.put(bytes, at: offset) }
        let tableStart = try placeRegions(of: store, structure.regions, &layout, &end)
        let table = place(structure, survey, &layout, &end)
        for page in 0..<table.pageCount where table.hasPage(page) {
            layout.put(table.bytes(ofPage: page), at: tableStart + UInt64(page * VHDX.page))
        }
        layout.length = end
        return layout
    }

    /// Gives the regions their places, one behind the other.
    ///
    /// - Returns: that of the block table.
    private static func placeRegions(
        of store: any ByteStore, _ regions: VHDXRegionTable, _ layout: inout DiskLayout, _ end: inout UInt64
    ) throws(DiskError) -> UInt64 {
        var tableStart = end
        let moved = try VHDXRegionTable.bytes(of: store) { range in
            let start = end
            if range == regions.table { tableStart = start } else { layout.move(range, to: start) }
            end += UInt64(range.count)
            return start..<end
        }
        for offset in VHDXRegionTable.offsets { layout.put(moved, at: offset) }
        return tableStart
    }

    /// Gives the blocks their places, and the bitmaps that are still needed.
    private static func place(
        _ structure: VHDXStructure, _ survey: DiskSurvey, _ layout: inout DiskLayout, _ end: inout UInt64
    ) -> VHDXTable {
        let old = structure.table
        var table = VHDXTable(structure.metadata)
        var needsBitmap = false
        old.forEachEntry { index, entry in
            guard let block = old.block(at: index) else {
                // The entry of a chunk's bitmap stands behind those of its blocks.
                defer { needsBitmap = false }
                guard needsBitmap else { return }
                layout.move(entry.offset..<entry.offset + alignment, to: end)
                table[index] = VHDXEntry(.fullyPresent, at: end)
                end += alignment
                return
            }
            let number = UInt32(truncatingIfNeeded: block)
            guard let state = entry.state, !survey.gone.contains(number) else { return }
            guard entry.isStored, !survey.zeros.contains(number) else {
                let rest = entry.isStored ? VHDXEntry.State.zero : state
                table[index] = VHDXEntry(rest, at: 0)
                return
            }
            layout.move(entry.offset..<entry.offset + UInt64(structure.metadata.blockSize), to: end)
            table[index] = VHDXEntry(state, at: end)
            end += UInt64(structure.metadata.blockSize)
            if state == .partiallyPresent { needsBitmap = true }
        }
        return table
    }
}

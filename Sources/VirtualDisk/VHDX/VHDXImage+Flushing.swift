// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import Synchronization

extension VHDXImage {
    /// What a flush has to write besides the data.
    private struct Dirty: Sendable {
        var tablePages: [Int]
        var bitmapPages: [Int]
        var pages: [VHDXPage] = []
        var fileLength: UInt64
    }

    /// Data first, then what refers to it, by way of the log.
    func flush() throws(StorageError) {
        try gate.flush { () throws(StorageError) in
            var dirty = state.withLock { state in
                Dirty(
                    tablePages: state.dirtyTable.take(), bitmapPages: state.dirtyBitmaps.take(),
                    fileLength: state.end)
            }
            do throws(StorageError) {
                // As it is now: what is written from here on belongs to the next flush.
                dirty.pages = try state.withLock { (state) throws(StorageError) in try pages(dirty, state) }
                dirty.fileLength = state.withLock { $0.end }
                try store.synchronize()
                guard !dirty.pages.isEmpty else { return }
                try log.withLock { [dirty] (log) throws(StorageError) in
                    try log.write(dirty.pages, to: store, fileLength: dirty.fileLength)
                }
            } catch {
                state.withLock { state in
                    for page in dirty.tablePages { state.dirtyTable.mark(page) }
                    for page in dirty.bitmapPages { state.dirtyBitmaps.mark(page) }
                }
                throw error
            }
        }
    }

    func settle() throws(StorageError) {
        try log.withLock { (log) throws(StorageError) in try log.settle(store) }
    }

    private func pages(_ dirty: Dirty, _ state: State) throws(StorageError) -> [VHDXPage] {
        var pages: [VHDXPage] = []
        pages.reserveCapacity(dirty.tablePages.count + dirty.bitmapPages.count)
        for page in dirty.bitmapPages {
            let bitmap = state.table[state.table.index(ofBitmap: page / Self.pagesPerChunk)]
            let offset = bitmap.offset + UInt64(page % Self.pagesPerChunk * VHDX.page)
            pages.append(VHDXPage(offset: offset, bytes: try bitmapBytes(page, at: offset, state)))
        }
        for page in dirty.tablePages {
            let offset = tableOffset + UInt64(page * VHDX.page)
            pages.append(VHDXPage(offset: offset, bytes: state.table.bytes(ofPage: page)))
        }
        return pages
    }

    /// A page of the bitmaps: as it is in the file where the blocks' bitmaps were not needed yet.
    private func bitmapBytes(_ page: Int, at offset: UInt64, _ state: State) throws(StorageError) -> [UInt8] {
        var bytes = try store.bytes(at: offset, count: VHDX.page)
        let firstBit = page * Self.bitsPerPage
        let lastBlock = min((firstBit + Self.bitsPerPage - 1) / blockBits, state.table.blocks - 1)
        guard firstBit / blockBits <= lastBlock else { return bytes }
        for block in firstBit / blockBits...lastBlock where state.bitmaps.isLoaded(block) {
            let bits = state.bitmaps.bytes(block)
            let start = (block * blockBits - firstBit) / 8
            for index in max(0, start)..<min(VHDX.page, start + blockBits / 8) { bytes[index] = bits[index - start] }
        }
        return bytes
    }
}

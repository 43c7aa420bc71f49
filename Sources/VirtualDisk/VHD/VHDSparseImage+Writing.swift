// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import Synchronization

extension VHDSparseImage {
    func place(_ sector: UInt64, count: UInt64) throws(StorageError) -> SectorRun {
        let block = Int(sector / blockSectors)
        let first = sector % blockSectors
        return try state.withLock { (state) throws(StorageError) in
            if state.table.position(of: block) == nil { try addBlock(block, &state) }
            let data = state.table.offset(at: block) + UInt64(state.bitmaps.byteCount)
            return SectorRun(count: min(count, blockSectors - first), offset: data + first * 512)
        }
    }

    func commit(_ sector: UInt64, count: UInt64) throws(StorageError) {
        let block = Int(sector / blockSectors)
        let first = Int(sector % blockSectors)
        try state.withLock { (state) throws(StorageError) in
            try loadBitmap(at: block, &state)
            if state.bitmaps.insert(block, first..<first + Int(count)) { state.dirtyBitmaps.mark(block) }
        }
    }

    /// Adds a block at the end of the file, which reads as zeros, with the footer behind it.
    ///
    /// The old footer stays in the gap before the block, so a failure leaves the disk as it was by cutting the file
    /// there. The data, not the bitmap, begins at a multiple of 4 KiB, for the guest writes in such pieces.
    private func addBlock(_ block: Int, _ state: inout State) throws(StorageError) {
        let bitmap = UInt64(state.bitmaps.byteCount)
        let oldLength = state.end + UInt64(VHDFooter.count)
        let start = VHD.roundUp(oldLength + bitmap, to: 4096) - bitmap
        let end = start + bitmap + blockSectors * 512
        guard let entry = UInt32(exactly: start / 512), entry != VHD.unused else {
            throw StorageError(.noSpace, name: store.name, detail: "has no room left that its table could name")
        }
        do throws(StorageError) {
            try store.allocate(start..<end + UInt64(VHDFooter.count))
            // A disk without a parent has no sector that lies elsewhere, and many readers ignore its bitmaps.
            if kind == .dynamic {
                try store.write([UInt8](repeating: 0xFF, count: state.bitmaps.byteCount), at: start)
            }
            try store.write(footer.encoded, at: end)
        } catch {
            try? store.truncate(to: oldLength)
            throw error
        }
        state.table.add(block, at: entry)
        state.end = end
        state.dirtyTable.mark(block / VHDBlockTable.perSector)
        if kind == .dynamic { state.bitmaps.makeFull(block) } else { state.bitmaps.makeEmpty(block) }
    }

    /// Data first, then what refers to it, each made durable before the next.
    func flush() throws(StorageError) {
        try gate.flush { () throws(StorageError) in
            let (tables, blocks, writes) = state.withLock { takeDirty(&$0) }
            do throws(StorageError) {
                try store.synchronize()
                guard !writes.isEmpty else { return }
                for write in writes { try store.write(write.bytes, at: write.offset) }
                try store.synchronize()
            } catch {
                state.withLock { state in
                    for sector in tables { state.dirtyTable.mark(sector) }
                    for block in blocks { state.dirtyBitmaps.mark(block) }
                }
                throw error
            }
        }
    }

    private struct MetadataWrite: Sendable {
        var offset: UInt64
        var bytes: [UInt8]
    }

    /// Copies what is dirty as it is now; what is written from here on belongs to the next flush.
    private func takeDirty(_ state: inout State) -> (tables: [Int], blocks: [Int], writes: [MetadataWrite]) {
        let tables = state.dirtyTable.take()
        let blocks = state.dirtyBitmaps.take()
        var writes: [MetadataWrite] = []
        writes.reserveCapacity(tables.count + blocks.count)
        for block in blocks {
            writes.append(
                MetadataWrite(offset: state.table.offset(at: block), bytes: state.bitmaps.bytes(block)))
        }
        for sector in tables {
            writes.append(
                MetadataWrite(
                    offset: tableOffset + UInt64(sector) * 512, bytes: state.table.bytes(ofSector: sector)))
        }
        return (tables, blocks, writes)
    }
}

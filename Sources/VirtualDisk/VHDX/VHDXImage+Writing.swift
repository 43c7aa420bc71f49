// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import Synchronization

extension VHDXImage {
    func place(_ sector: UInt64, count: UInt64) throws(StorageError) -> SectorRun {
        let block = Int(sector / blockSectors)
        let first = sector % blockSectors
        return try state.withLock { (state) throws(StorageError) in
            let index = state.table.index(ofBlock: block)
            if !state.table[index].isStored { try store(block, &state) }
            let offset = state.table[index].offset + first * 512
            return SectorRun(count: min(count, blockSectors - first), .stored(offset))
        }
    }

    func commit(_ sector: UInt64, count: UInt64) throws(StorageError) {
        let block = Int(sector / blockSectors)
        try state.withLock { (state) throws(StorageError) in
            let index = state.table.index(ofBlock: block)
            let entry = state.table[index]
            guard entry.state == .partiallyPresent else { return }
            try loadBitmap(of: block, &state)
            let scale = UInt64(sectorSize / 512)
            let first = Int(sector % blockSectors / scale)
            let bits = first..<first + Int((count + scale - 1) / scale)
            guard state.bitmaps.insert(block, bits) else { return }
            markBitmap(of: block, bits, &state)
            // The last block may reach beyond the end of the disk.
            let count = min(blockBits, Int(size) / sectorSize - block * blockBits)
            let whole = state.bitmaps.run(block, from: 0, limit: count)
            if whole.isPresent, whole.count == count {
                // Readers need no bitmap from now on.
                state.table[index] = VHDXEntry(.fullyPresent, at: entry.offset)
                state.dirtyTable.mark(index / VHDXTable.perPage)
                state.bitmaps.makeFull(block)
            }
        }
    }

    func erase(_ sector: UInt64, count: UInt64) throws(StorageError) -> UInt64 {
        // A fixed disk keeps its space.
        guard kind != .fixed, sector % blockSectors == 0 else { return 0 }
        let whole = min(blockSectors, size / 512 - sector)
        guard count >= whole else { return 0 }
        return try state.withLock { (state) throws(StorageError) in
            let index = state.table.index(ofBlock: Int(sector / blockSectors))
            var entry = state.table[index]
            guard entry.state != .zero, entry.state != .notPresent || kind == .differencing else { return whole }
            // Nothing is lost when the entry is not durable yet: the place then reads as what it shall read as.
            if entry.isStored { try store.punchHole(entry.offset..<entry.offset + blockSectors * 512) }
            entry.erase()
            state.table[index] = entry
            state.dirtyTable.mark(index / VHDXTable.perPage)
            return whole
        }
    }

    /// Gives a block a place in the file, which reads as zeros.
    private func store(_ block: Int, _ state: inout State) throws(StorageError) {
        let index = state.table.index(ofBlock: block)
        let entry = state.table[index]
        let offset: UInt64
        if let place = entry.emptyPlace {
            offset = place
        } else {
            offset = try addSpace(for: block, isPartial: isPartial(entry), &state)
        }
        if isPartial(entry) {
            // Bits from earlier days may be left in the bitmap.
            state.bitmaps.makeEmpty(block)
            markBitmap(of: block, 0..<blockBits, &state)
            state.table[index] = VHDXEntry(.partiallyPresent, at: offset)
        } else {
            state.table[index] = VHDXEntry(.fullyPresent, at: offset)
        }
        state.dirtyTable.mark(index / VHDXTable.perPage)
    }

    /// Whether a block has to leave to the parent what is not written to it.
    private func isPartial(_ entry: VHDXEntry) -> Bool {
        kind == .differencing && entry.state == .notPresent
    }

    /// Makes the file longer by a block, and by a bitmap block before it if the chunk has none.
    private func addSpace(for block: Int, isPartial: Bool, _ state: inout State) throws(StorageError) -> UInt64 {
        let bitmap = state.table.index(ofBitmap: state.table.chunk(ofBlock: block))
        let needsBitmap = isPartial && !state.table[bitmap].isStored
        let start = state.end
        let offset = start + (needsBitmap ? VHDX.alignment : 0)
        let end = offset + blockSectors * 512
        do throws(StorageError) { try store.allocate(start..<end) } catch {
            try? store.truncate(to: start)
            throw error
        }
        state.end = end
        if needsBitmap {
            state.table[bitmap] = VHDXEntry(.fullyPresent, at: start)
            state.dirtyTable.mark(bitmap / VHDXTable.perPage)
        }
        return offset
    }

    private func markBitmap(of block: Int, _ bits: Range<Int>, _ state: inout State) {
        let first = block * blockBits + bits.lowerBound
        let last = block * blockBits + bits.upperBound - 1
        for page in first / Self.bitsPerPage...last / Self.bitsPerPage { state.dirtyBitmaps.mark(page) }
    }
}

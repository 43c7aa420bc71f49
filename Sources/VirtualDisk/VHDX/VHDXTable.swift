// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage

/// The block table, with an entry of a sector bitmap behind those of every chunk of blocks.
///
/// ```
///   block 0 | block 1 | ... | block r-1 | bitmap 0 | block r | ... | block 2r-1 | bitmap 1 | ...
/// ```
///
/// It is kept in pages of 4 KiB, those alone in which there is anything, for a large disk has little of most blocks.
struct VHDXTable: Sendable {
    /// The number of the disk's blocks.
    let blocks: Int
    /// The number of entries that the disk needs.
    let count: Int
    /// The chunk ratio `r`, a power of two, as an exponent.
    let ratioBits: Int
    private var entries: SparseArray<UInt64>

    /// The entries of a page.
    static let perPage: Int = VHDX.page / 8

    /// An empty table for a disk.
    init(_ metadata: VHDXMetadata) {
        let blockSize = UInt64(metadata.blockSize)
        ratioBits = (VHDX.sectorsPerChunk * UInt64(metadata.sectorSize) / blockSize).trailingZeroBitCount
        blocks = Int((metadata.size - 1) / blockSize + 1)
        let chunks = (blocks - 1) >> ratioBits + 1
        count = metadata.kind == .differencing ? chunks << ratioBits + chunks : blocks + (blocks - 1) >> ratioBits
        entries = SparseArray(count: count, of: 0)
    }

    /// The bytes that it takes in the file.
    var byteCount: UInt64 { UInt64(count) * 8 }

    var pageCount: Int { entries.groupCount }

    /// Whether a page has anything.
    func hasPage(_ page: Int) -> Bool { entries.hasGroup(page) }

    var chunkCount: Int { (blocks - 1) >> ratioBits + 1 }

    func index(ofBlock block: Int) -> Int { block + block >> ratioBits }

    func index(ofBitmap chunk: Int) -> Int { (chunk + 1) << ratioBits + chunk }

    func chunk(ofBlock block: Int) -> Int { block >> ratioBits }

    subscript(index: Int) -> VHDXEntry {
        get {
            VHDXEntry(memory: entries[index])
        }
        set { entries[index] = newValue.raw }
    }

    /// Reads the pages in which there is anything, little of them at a time.
    mutating func read(_ store: any ByteStore, at start: UInt64) throws(StorageError) {
        let end = start + UInt64(pageCount * VHDX.page)
        var position = start
        while position < end, let data = try store.nextData(from: position) {
            // Whole pages, counted from the table's start.
            position = max(position, data.lowerBound - (data.lowerBound - min(start, data.lowerBound)) % 4096)
            guard position < end else { return }
            let stop = min(end, position + 256 << 10, VHDX.roundUp(max(data.upperBound, position + 1), to: 4096))
            let bytes = try store.bytes(at: position, count: Int(stop - position))
            take(bytes, fromPage: Int((position - start) / UInt64(VHDX.page)))
            position = stop
        }
    }

    private mutating func take(_ bytes: [UInt8], fromPage first: Int) {
        unsafe bytes.withUnsafeBytes { bytes in
            for index in 0..<bytes.count / 8 {
                let raw = unsafe UInt64(
                    littleEndian: bytes.loadUnaligned(fromByteOffset: index * 8, as: UInt64.self))
                if raw != 0 { entries[first * Self.perPage + index] = VHDXEntry(raw: raw).raw }
            }
        }
    }

    /// The indices of the entries of which there is anything, ascending.
    func forEachEntry<Failure: Error>(_ body: (Int, VHDXEntry) throws(Failure) -> Void) throws(Failure) {
        for page in 0..<pageCount where entries.hasGroup(page) {
            for index in page * Self.perPage..<min((page + 1) * Self.perPage, count) {
                let raw = entries[index]
                if raw != 0 { try body(index, VHDXEntry(memory: raw)) }
            }
        }
    }

    /// The block whose entry an index is; nil for that of a bitmap.
    func block(at index: Int) -> Int? {
        let period = 1 << ratioBits + 1
        let place = index % period
        return place == period - 1 ? nil : index / period << ratioBits + place
    }

    /// A page as it goes to the file.
    func bytes(ofPage page: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(VHDX.page)
        for index in page * Self.perPage..<(page + 1) * Self.perPage {
            let entry = self[index].encoded
            for shift in 0..<8 { bytes.append(UInt8(truncatingIfNeeded: entry >> UInt64(8 * shift))) }
        }
        return bytes
    }
}

extension VHDXEntry {
    /// An entry as it is kept in memory.
    fileprivate init(memory raw: UInt64) {
        self.init(raw: raw)
        if raw & 8 != 0 { self = .erased(at: offset) }
    }

    private static func erased(at offset: UInt64) -> VHDXEntry {
        var entry = VHDXEntry(.fullyPresent, at: offset)
        entry.erase()
        return entry
    }
}

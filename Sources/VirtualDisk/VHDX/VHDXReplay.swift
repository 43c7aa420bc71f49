// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage

/// What the log says is still to be done to the file.
///
/// An entry counts together with those that were written right before it, back to the one that its tail names. Of all
/// such sequences the newest is the one to be replayed.
///
/// ```
///   | 7 8 9 | . | 3 4 5 . |        9 has the highest number; its tail is 8: replay 8 and 9
///       ▲   └ head
///       └ tail
/// ```
struct VHDXReplay: Sendable {
    /// Ranges that become zeros before the pages are written.
    private(set) var zeros: [Range<UInt64>] = []
    private(set) var pages: [UInt64: [UInt8]] = [:]
    /// The length that the file has afterwards at least.
    private(set) var length: UInt64

    /// Finds what is to be done; the header must say that the log counts.
    init(_ store: any ByteStore, _ header: VHDXHeader) throws(DiskError) {
        let path = store.name
        let fileLength = try reaching(path) { () throws(StorageError) in try store.length() }
        guard header.logRange.upperBound <= fileLength else {
            throw .malformed(
                path, "log", expected: "one inside the file of \(fileLength) bytes", found: header.logRange)
        }
        let log = try reaching(path) { () throws(StorageError) in
            try store.bytes(at: header.logOffset, count: Int(header.logLength))
        }
        let sequence = try Self.activeSequence(log, header.log, path: path)
        guard let head = sequence.last else {
            throw .malformed(path, "log", expected: "an intact entry, for the header says so", found: "none")
        }
        guard fileLength >= head.stableLength else {
            throw .malformed(
                path, "length", expected: "\(head.stableLength) at least, as the log says", found: fileLength)
        }
        length = max(fileLength, head.neededLength)
        for entry in sequence {
            for change in entry.changes { try take(change, header, path: path) }
        }
        guard length > fileLength else { return }
        let most = try growth(of: store)
        guard length - fileLength <= most else {
            throw .malformed(
                path, "log's last file offset", expected: "\(fileLength + most) at most", found: head.neededLength)
        }
    }

    /// What the file can have grown by since the length that the log calls stable.
    ///
    /// A disk grows by blocks, by bitmap blocks and by regions that move. However much of that came since, it is no more
    /// than all blocks of the disk, with a bitmap for each chunk of them, and the regions once more. The disk is the one
    /// that the log makes of it.
    private func growth(of store: any ByteStore) throws(DiskError) -> UInt64 {
        let replayed = VHDXReplayedStore(store, self)
        let regions = try VHDXRegionTable.read(replayed).table
        let metadata = try VHDXMetadata(replayed, regions.metadata)
        let table = VHDXTable(metadata)
        let blocks = UInt64(table.blocks) * UInt64(metadata.blockSize)
        let bitmaps = metadata.kind == .differencing ? UInt64(table.chunkCount) * VHDX.alignment : 0
        let moved = ([regions.table, regions.metadata] + regions.others).reduce(0 as UInt64) {
            $0 + min($1.upperBound - $1.lowerBound, UInt64(UInt32.max))
        }
        return blocks + bitmaps + VHDX.roundUp(moved + table.byteCount, to: VHDX.alignment)
    }

    private mutating func take(
        _ change: VHDXLogEntry.Change, _ header: VHDXHeader, path: String
    ) throws(DiskError) {
        let range: Range<UInt64> =
            switch change {
            case .page(let page): page.offset..<page.offset + UInt64(VHDX.page)
            case .zeros(let range): range
            }
        guard range.lowerBound >= VHDXRegionTable.offsets[0], range.upperBound <= length,
            !range.overlaps(header.logRange)
        else {
            throw .malformed(
                path, "log descriptor", expected: "a place for metadata in the file of \(length) bytes", found: range)
        }
        switch change {
        case .page(let page): pages[page.offset] = page.bytes
        case .zeros(let range):
            pages = pages.filter { !range.contains($0.key) }
            zeros.append(range)
        }
    }

    /// The entries to be replayed, the oldest first.
    private static func activeSequence(
        _ log: [UInt8], _ identity: DiskIdentity, path: String
    ) throws(DiskError) -> ArraySlice<VHDXLogEntry> {
        var best: ArraySlice<VHDXLogEntry> = []
        var start = 0
        while start < log.count {
            var entries: [VHDXLogEntry] = []
            var (position, taken) = (start, 0)
            while taken < log.count,
                let entry = try VHDXLogEntry(log, at: position, identity: identity, path: path),
                taken + entry.length <= log.count
            {
                // Not one more than the highest number: the sequence ends there.
                if let last = entries.last, last.sequence == .max || entry.sequence != last.sequence + 1 { break }
                entries.append(entry)
                taken += entry.length
                position = (position + entry.length) % log.count
            }
            if let head = entries.last, head.sequence > best.last?.sequence ?? 0,
                let tail = entries.firstIndex(where: { $0.position == head.tail })
            {
                best = entries[tail...]
            }
            // What ends with the same entry but begins later holds no tail that this does not hold.
            start += max(taken, VHDX.page)
        }
        return best
    }

    /// Makes the changes, durable on return.
    func apply(to store: any ByteStore) throws(StorageError) {
        if try store.length() < length { try store.truncate(to: length) }
        for range in zeros { try store.punchHole(range) }
        for (offset, bytes) in pages.sorted(by: { $0.key < $1.key }) { try store.write(bytes, at: offset) }
        try store.synchronize()
    }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage

/// A VHDX's structures as they were found in its file, all of them checked.
///
/// ```
///   0      1 MiB
///   | headers | log | metadata | block table | bitmap block, block, block, ... in any order, in units of 1 MiB
/// ```
struct VHDXStructure: Sendable {
    var metadata: VHDXMetadata
    var regions: VHDXRegionTable
    var table: VHDXTable
    /// The file's length.
    var length: UInt64
    /// Where the last thing that is in use ends.
    var usedEnd: UInt64 = 0
    var warnings: [DiskWarning] = []
    /// Whether the file was made by this module.
    var isOwn: Bool

    static let creator: String = "Fermata"

    /// Reads and checks everything but the data and the sector bitmaps; the log must have been replayed.
    init(_ store: any ByteStore, _ header: VHDXHeader, expecting kind: DiskKind? = nil) throws(DiskError) {
        let path = store.name
        length = try reaching(path) { () throws(StorageError) in try store.length() }
        let isOneDamaged: Bool
        (regions, isOneDamaged) = try VHDXRegionTable.read(store)
        if isOneDamaged {
            warnings.append(
                DiskWarning(.copyDamaged, path: path, "one of the region tables is damaged, the other is used"))
        }
        for (name, range) in [("block table", regions.table), ("metadata", regions.metadata), ("log", header.logRange)]
        where range.upperBound > length {
            throw .malformed(
                path, "\(name) region", expected: "one inside the file of \(length) bytes", found: range)
        }
        metadata = try VHDXMetadata(store, regions.metadata)
        if let kind, kind != metadata.kind {
            throw DiskError(
                .malformed, path: path, "the disk is of another kind than its configuration says",
                field: "file parameters", expected: kind.rawValue, found: metadata.kind.rawValue)
        }
        isOwn = try reaching(path) { () throws(StorageError) in try Self.isOwn(store) }
        let room = regions.table.upperBound - regions.table.lowerBound
        table = VHDXTable(metadata)
        guard table.byteCount <= room else {
            throw .malformed(path, "block table region", expected: "\(table.byteCount) bytes at least", found: room)
        }
        try reaching(path) { () throws(StorageError) in try table.read(store, at: regions.table.lowerBound) }
        var used = [0..<VHDX.alignment, header.logRange, regions.table, regions.metadata] + regions.others
        try checkEntries(&used, path: path)
        try Self.checkOverlap(used, "layout", path: path)
        usedEnd = used.map(\.upperBound).max() ?? 0
    }

    /// Whether a file says that it was made by this module.
    static func isOwn(_ store: any ByteStore) throws(StorageError) -> Bool {
        try store.bytes(at: 8, count: 14) == creator.utf16.flatMap(\.littleEndianBytes)
    }

    private func checkEntries(_ used: inout [Range<UInt64>], path: String) throws(DiskError) {
        let isChild = metadata.kind == .differencing
        let blockSize = UInt64(metadata.blockSize)
        try table.forEachEntry { (index, entry) throws(DiskError) in
            let block = table.block(at: index)
            let what = block.map { "block \($0)" } ?? "bitmap at entry \(index)"
            guard let state = entry.state else {
                throw .malformed(path, what, expected: "a known state", found: entry.raw & 7)
            }
            if block == nil {
                guard state == .notPresent || state == .fullyPresent && isChild else {
                    throw .malformed(path, what, expected: "none, or one that is present", found: state.rawValue)
                }
            } else if state == .partiallyPresent {
                guard isChild, let block else {
                    throw .malformed(path, what, expected: "a state for a disk without a parent", found: state.rawValue)
                }
                let bitmap = table[table.index(ofBitmap: table.chunk(ofBlock: block))]
                guard bitmap.state == .fullyPresent else {
                    throw .malformed(path, what, expected: "a bitmap of its sectors", found: "none")
                }
            }
            guard entry.isStored else { return }
            let count = block == nil ? VHDX.alignment : blockSize
            guard entry.offset >= VHDX.alignment, entry.offset <= length, length - entry.offset >= count else {
                throw .malformed(
                    path, what, expected: "\(count) bytes inside the file of \(length)", found: entry.offset)
            }
            used.append(entry.offset..<entry.offset + count)
        }
    }

    /// Refuses ranges that share bytes.
    static func checkOverlap(_ used: [Range<UInt64>], _ field: String, path: String) throws(DiskError) {
        let sorted = used.sorted { $0.lowerBound < $1.lowerBound }
        for (first, second) in zip(sorted, sorted.dropFirst()) where first.upperBound > second.lowerBound {
            throw .malformed(
                path, field, expected: "nothing before \(first.upperBound)",
                found: "two structures or blocks that share the bytes at \(second.lowerBound)")
        }
    }
}

extension VHDX {
    /// The next multiple of a power of two, or the largest one when there is none.
    static func roundUp(_ value: UInt64, to multiple: UInt64) -> UInt64 {
        VHD.roundUp(value, to: multiple)
    }
}

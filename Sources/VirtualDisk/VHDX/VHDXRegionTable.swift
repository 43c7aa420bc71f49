// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import Hashing

/// The table of the file's regions, of which there are two copies.
///
/// ```
///   0  "regi"         4  checksum of 64 KiB          8  number of entries
///  16  entries of 32 bytes: identity, 16: offset, 24: length, 28: whether a reader must know it
/// ```
struct VHDXRegionTable: Hashable, Sendable {
    static let offsets: [UInt64] = [192 << 10, 256 << 10]
    static let count: Int = 64 << 10

    static let tableRegion: DiskIdentity = DiskIdentity(0x2DC2_7766_F623_4200, 0x9D64_115E_9BFD_4A08)
    static let metadataRegion: DiskIdentity = DiskIdentity(0x8B7C_A206_4790_4B9A, 0xB8FE_575F_050F_886E)

    private static let signature: [UInt8] = Array("regi".utf8)
    private static let mostEntries: UInt32 = 2047

    var table: Range<UInt64>
    var metadata: Range<UInt64>
    /// Regions that are not known and need not be.
    var others: [Range<UInt64>] = []

    init(table: Range<UInt64>, metadata: Range<UInt64>) {
        self.table = table
        self.metadata = metadata
    }

    /// Reads a copy; nil when it is not intact.
    init?(_ bytes: [UInt8], path: String) throws(DiskError) {
        guard bytes.count == Self.count, Array(bytes.prefix(4)) == Self.signature else { return nil }
        let fields = DiskFields(bytes, .little, path: path)
        let sum: UInt32 = try fields.integer(at: 4)
        guard sum == CRC32C.checksum(bytes, fieldAt: 4) else { return nil }
        let entries: UInt32 = try fields.integer(at: 8)
        guard entries <= Self.mostEntries else {
            throw .malformed(path, "region count", expected: "at most \(Self.mostEntries)", found: entries)
        }
        var regions: [DiskIdentity: Range<UInt64>] = [:]
        for index in 0..<Int(entries) {
            let position = 16 + 32 * index
            let identity = try DiskIdentity(fields, at: position)
            let offset: UInt64 = try fields.integer(at: position + 16)
            let length: UInt32 = try fields.integer(at: position + 24)
            let flags: UInt32 = try fields.integer(at: position + 28)
            guard offset % VHDX.alignment == 0, offset >= VHDX.alignment, offset <= 1 << 62, length > 0,
                UInt64(length) % VHDX.alignment == 0
            else {
                throw .malformed(
                    path, "region \(identity)", expected: "multiples of 1 MiB from 1 MiB on",
                    found: "\(length) bytes at \(offset)")
            }
            let known = identity == Self.tableRegion || identity == Self.metadataRegion
            guard known || flags & 1 == 0 else {
                throw DiskError(
                    .unsupported, path: path, "the disk needs a reader that knows a region which is not known here",
                    field: "region", found: identity.description)
            }
            guard regions.updateValue(offset..<offset + UInt64(length), forKey: identity) == nil else {
                throw .malformed(path, "region \(identity)", expected: "one entry", found: "several")
            }
        }
        guard let table = regions.removeValue(forKey: Self.tableRegion),
            let metadata = regions.removeValue(forKey: Self.metadataRegion)
        else {
            throw .malformed(path, "region table", expected: "a block table and metadata", found: "one is missing")
        }
        self.init(table: table, metadata: metadata)
        others = regions.values.sorted { $0.lowerBound < $1.lowerBound }
    }

    /// Reads the first copy that is intact.
    static func read(_ store: any ByteStore) throws(DiskError) -> (table: VHDXRegionTable, isOneDamaged: Bool) {
        let path = store.name
        var found: [VHDXRegionTable?] = []
        for offset in offsets {
            let bytes = try reaching(path) { () throws(StorageError) in try store.bytes(at: offset, count: count) }
            try found.append(VHDXRegionTable(bytes, path: path))
        }
        let intact = found.compactMap(\.self)
        guard let first = intact.first else {
            throw .malformed(path, "region table", expected: "an intact one of two", found: "none")
        }
        guard intact.allSatisfy({ $0.table == first.table && $0.metadata == first.metadata }) else {
            throw .malformed(path, "region table", expected: "two copies of one", found: "two that differ")
        }
        return (first, intact.count < 2)
    }

    /// A file's own table with its regions in other places; what is not known of them stays.
    ///
    /// - Parameter place: the place that the region of a place gets.
    static func bytes(
        of store: any ByteStore, moving place: (Range<UInt64>) -> Range<UInt64>
    ) throws(DiskError) -> [UInt8] {
        let bytes = try intactBytes(of: store)
        let fields = DiskFields(bytes, .little, path: store.name)
        var moved: [(position: Int, range: Range<UInt64>)] = []
        let entries: UInt32 = try fields.integer(at: 8)
        for index in 0..<Int(entries) {
            let position = 16 + 32 * index
            let (start, length): (UInt64, UInt32) = (
                try fields.integer(at: position + 16), try fields.integer(at: position + 24)
            )
            moved.append((position, place(start..<start + UInt64(length))))
        }
        return try reaching(store.name) { () throws(StorageError) in
            var writer = FieldWriter(count: count, .little, name: "VHDX region table")
            try writer.put(bytes, at: 0)
            for (position, range) in moved { try Self.put(range, into: &writer, at: position) }
            try writer.put(0 as UInt32, at: 4)
            try writer.put(CRC32C.checksum(writer.bytes), at: 4)
            return writer.bytes
        }
    }

    private static func intactBytes(of store: any ByteStore) throws(DiskError) -> [UInt8] {
        for offset in offsets {
            let bytes = try reaching(store.name) { () throws(StorageError) in
                try store.bytes(at: offset, count: count)
            }
            if try VHDXRegionTable(bytes, path: store.name) != nil { return bytes }
        }
        throw .malformed(store.name, "region table", expected: "an intact one of two", found: "none")
    }

    private static func put(
        _ range: Range<UInt64>, into writer: inout FieldWriter, at position: Int
    ) throws(StorageError) {
        try writer.put(range.lowerBound, at: position + 16)
        try writer.put(UInt32(clamping: range.upperBound - range.lowerBound), at: position + 24)
    }

    /// A copy as it goes to the file.
    func bytes() throws(StorageError) -> [UInt8] {
        var writer = FieldWriter(count: Self.count, .little, name: "VHDX region table")
        try writer.put(Self.signature, at: 0)
        try writer.put(2 as UInt32, at: 8)
        for (index, (identity, range)) in [(Self.tableRegion, table), (Self.metadataRegion, metadata)].enumerated() {
            let position = 16 + 32 * index
            try writer.put(identity.mixed, at: position)
            try Self.put(range, into: &writer, at: position)
            try writer.put(1 as UInt32, at: position + 28)
        }
        try writer.put(CRC32C.checksum(writer.bytes), at: 4)
        return writer.bytes
    }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import Hashing

/// A change of one page of the metadata.
struct VHDXPage: Hashable, Sendable {
    var offset: UInt64
    var bytes: [UInt8]
}

/// An entry of the log: pages that belong together.
///
/// ```
///   0  "loge"       4  checksum     8  length     12  tail     16  sequence    24  number of descriptors
///  32  log identity                48  stable length of the file             56  length that it needs
///  64  descriptors of 32 bytes: "desc", 4: last 4 bytes, 8: first 8 bytes, 16: offset, 24: sequence
///                            or "zero",              8: length,        16: offset, 24: sequence
///      data sectors of 4 KiB: "data", 4: high half of the sequence, 8: bytes 8 to 4091, 4092: its low half
/// ```
struct VHDXLogEntry: Sendable {
    enum Change: Sendable {
        case page(VHDXPage)
        case zeros(Range<UInt64>)
    }

    /// Where in the log it begins, and how much of it it takes.
    var position: Int
    var length: Int
    /// Where the oldest entry begins whose changes may not be in their places yet.
    var tail: Int
    var sequence: UInt64
    var stableLength: UInt64
    var neededLength: UInt64
    var changes: [Change] = []

    /// Space that an entry may leave behind its last data sector.
    private static let mostSlack: Int = 64 << 10

    /// Reads the entry at a position of the log, which is a ring; nil when there is none that is intact.
    init?(_ log: [UInt8], at position: Int, identity: DiskIdentity, path: String) throws(DiskError) {
        let fields = DiskFields(Array(log[position..<position + 64]), .little, path: path)
        guard Self.has(log, "loge", at: position), try DiskIdentity(fields, at: 32) == identity else { return nil }
        self.position = position
        let storedLength: UInt32 = try fields.integer(at: 8)
        let storedTail: UInt32 = try fields.integer(at: 12)
        let count: UInt32 = try fields.integer(at: 24)
        sequence = try fields.integer(at: 16)
        stableLength = try fields.integer(at: 48)
        neededLength = try fields.integer(at: 56)
        length = Int(storedLength)
        tail = Int(storedTail)
        let page = VHDX.page
        guard length >= page, length % page == 0, length <= log.count, tail % page == 0, tail < log.count,
            sequence > 0, Int(count) <= length / 32
        else { return nil }
        let descriptorSectors = (Int(count) + 2 + 127) / 128
        guard descriptorSectors * page <= length else { return nil }
        // Before the checksum, so that entries that pretend to overlap cost little time.
        var data = descriptorSectors
        for index in 0..<Int(count) {
            let place = (position + 64 + 32 * index) % log.count
            let descriptor = DiskFields(Array(log[place..<place + 32]), .little, path: path)
            guard try descriptor.integer(at: 24) as UInt64 == sequence else { return nil }
            let offset: UInt64 = try descriptor.integer(at: 16)
            guard offset % UInt64(page) == 0 else { return nil }
            if Self.has(log, "zero", at: place) {
                let count: UInt64 = try descriptor.integer(at: 8)
                let (end, overflow) = offset.addingReportingOverflow(count)
                guard count % UInt64(page) == 0, !overflow else { return nil }
                changes.append(.zeros(offset..<end))
                continue
            }
            let sector = (position + data * page) % log.count
            guard Self.has(log, "desc", at: place), (data + 1) * page <= length, Self.has(log, "data", at: sector)
            else { return nil }
            let frame = DiskFields(Array(log[sector..<sector + page]), .little, path: path)
            let (high, low): (UInt32, UInt32) = (try frame.integer(at: 4), try frame.integer(at: page - 4))
            guard UInt64(high) << 32 | UInt64(low) == sequence else { return nil }
            let bytes =
                try descriptor.slice(at: 8, count: 8) + frame.slice(at: 8, count: page - 12)
                + descriptor.slice(at: 4, count: 4)
            changes.append(.page(VHDXPage(offset: offset, bytes: bytes)))
            data += 1
        }
        guard length - data * page < Self.mostSlack else { return nil }
        let upToEnd = min(length, log.count - position)
        let whole = Array(log[position..<position + upToEnd]) + log[0..<length - upToEnd]
        let sum: UInt32 = try fields.integer(at: 4)
        guard sum == CRC32C.checksum(whole, fieldAt: 4) else { return nil }
    }

    private static func has(_ log: [UInt8], _ signature: StaticString, at position: Int) -> Bool {
        (0..<4).allSatisfy { unsafe log[position + $0] == signature.utf8Start[$0] }
    }

    /// The bytes that an entry with so many pages takes.
    static func length(pages: Int) -> Int {
        ((pages + 2 + 127) / 128 + pages) * VHDX.page
    }

    /// An entry as it goes to the log.
    static func bytes(
        _ pages: ArraySlice<VHDXPage>, identity: DiskIdentity, sequence: UInt64, position: UInt64, fileLength: UInt64
    ) throws(StorageError) -> [UInt8] {
        var writer = FieldWriter(count: length(pages: pages.count), .little, name: "VHDX log")
        try writer.put("loge".utf8, at: 0)
        try writer.put(UInt32(clamping: writer.bytes.count), at: 8)
        try writer.put(UInt32(clamping: position), at: 12)
        try writer.put(sequence, at: 16)
        try writer.put(UInt32(clamping: pages.count), at: 24)
        try writer.put(identity.mixed, at: 32)
        try writer.put(fileLength, at: 48)
        try writer.put(fileLength, at: 56)
        var sector = writer.bytes.count - pages.count * VHDX.page
        for (index, page) in pages.enumerated() {
            let place = 64 + 32 * index
            try writer.put("desc".utf8, at: place)
            try writer.put(page.bytes[(VHDX.page - 4)...], at: place + 4)
            try writer.put(page.bytes[..<8], at: place + 8)
            try writer.put(page.offset, at: place + 16)
            try writer.put(sequence, at: place + 24)
            try writer.put("data".utf8, at: sector)
            try writer.put(UInt32(sequence >> 32), at: sector + 4)
            try writer.put(page.bytes[8..<VHDX.page - 4], at: sector + 8)
            try writer.put(UInt32(truncatingIfNeeded: sequence), at: sector + VHDX.page - 4)
            sector += VHDX.page
        }
        try writer.put(CRC32C.checksum(writer.bytes), at: 4)
        return writer.bytes
    }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage

/// The header of a disk that grows: where its table is, and who its parent is.
///
/// ```
///   0  "cxsparse"      8  all ones        16  table offset    24  version      28  table entries
///  32  block size     36  checksum        40  parent identity 56  parent time  64  parent name
/// 576  eight parent locators of 24 bytes
/// ```
///
/// Numbers have their highest byte first, and so has the parent's name; the text of locators has the lowest first.
struct VHDHeader: Hashable, Sendable {
    static let count: Int = 1024
    static let cookie: [UInt8] = Array("cxsparse".utf8)

    var tableOffset: UInt64
    var tableEntries: UInt32
    var blockSize: UInt32
    var parentIdentity: DiskIdentity
    /// Seconds since the year 2000.
    var parentTimestamp: UInt32
    var parentName: String
    var locators: [VHDParentLocator]

    /// The header of a new disk.
    init(tableOffset: UInt64, tableEntries: UInt32, blockSize: UInt32) {
        self.tableOffset = tableOffset
        self.tableEntries = tableEntries
        self.blockSize = blockSize
        parentIdentity = DiskIdentity(unchecked: [UInt8](repeating: 0, count: 16))
        parentTimestamp = 0
        parentName = ""
        locators = []
    }

    /// Reads a header of 1024 bytes.
    init(_ bytes: [UInt8], path: String) throws(DiskError) {
        let fields = DiskFields(bytes, .big, path: path)
        guard try fields.slice(at: 0, count: 8) == Self.cookie else {
            throw .malformed(path, "header cookie", expected: "cxsparse", found: "something else")
        }
        let sum: UInt32 = try fields.integer(at: 36)
        let computed = VHD.checksum(bytes, fieldAt: 36)
        guard sum == computed else {
            throw .malformed(path, "header checksum", expected: VHD.hex(computed), found: VHD.hex(sum))
        }
        let version: UInt32 = try fields.integer(at: 24)
        guard version >> 16 == 1 else {
            throw DiskError(
                .unsupported, path: path, "this version of VHD is not known", field: "header version",
                expected: "1.x", found: VHD.hex(version))
        }
        tableOffset = try fields.integer(at: 16)
        tableEntries = try fields.integer(at: 28)
        blockSize = try fields.integer(at: 32)
        #if FERMATA_PLANTED_BUG
            _ = tableEntries / blockSize
        #endif
        guard blockSize.nonzeroBitCount == 1, blockSize >= 4096, blockSize <= VHD.blockSize else {
            throw .malformed(path, "block size", expected: "a power of two from 4 KiB to 2 MiB", found: blockSize)
        }
        parentIdentity = DiskIdentity(unchecked: try fields.slice(at: 40, count: 16))
        parentTimestamp = try fields.integer(at: 56)
        let name = try fields.units(at: 64, count: 512).prefix { $0 != 0 }
        parentName = String(decoding: name, as: UTF16.self)
        locators = []
        for index in 0..<8 {
            guard let locator = try VHDParentLocator(fields, at: 576 + 24 * index) else { continue }
            locators.append(locator)
        }
    }

    func bytes() throws(StorageError) -> [UInt8] {
        var writer = FieldWriter(count: Self.count, .big, name: "VHD header")
        try writer.put(Self.cookie, at: 0)
        try writer.put(UInt64.max, at: 8)
        try writer.put(tableOffset, at: 16)
        try writer.put(0x0001_0000 as UInt32, at: 24)
        try writer.put(tableEntries, at: 28)
        try writer.put(blockSize, at: 32)
        try writer.put(parentIdentity.bytes, at: 40)
        try writer.put(parentTimestamp, at: 56)
        try writer.put(units: Array(parentName.utf16), at: 64)
        for (index, locator) in locators.enumerated() {
            try locator.put(into: &writer, at: 576 + 24 * index)
        }
        try writer.put(VHD.checksum(writer.bytes, fieldAt: 36), at: 36)
        return writer.bytes
    }
}

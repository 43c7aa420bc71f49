// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage

/// An entry of the header that says where a path to the parent is stored.
///
/// The specification counts the space in sectors; Hyper-V and its readers count bytes, and so is it written here.
struct VHDParentLocator: Hashable, Sendable {
    enum Platform: UInt32, Hashable, Sendable {
        /// A path relative to the child's folder, in UTF-16, lowest byte first.
        case relative = 0x5732_7275
        /// An absolute path in UTF-16, lowest byte first.
        case absolute = 0x5732_6B75
    }

    /// What kind of path it is; nil when it is one that is not read.
    var platform: Platform?
    var code: UInt32
    var space: UInt32
    var length: UInt32
    var offset: UInt64

    init(_ platform: Platform, space: UInt32, length: UInt32, offset: UInt64) {
        self.platform = platform
        code = platform.rawValue
        self.space = space
        self.length = length
        self.offset = offset
    }

    /// Reads an entry; nil for one that is not in use.
    init?(_ fields: DiskFields, at position: Int) throws(DiskError) {
        code = try fields.integer(at: position)
        space = try fields.integer(at: position + 4)
        length = try fields.integer(at: position + 8)
        offset = try fields.integer(at: position + 16)
        guard code != 0 else { return nil }
        platform = Platform(rawValue: code)
    }

    func put(into writer: inout FieldWriter, at position: Int) throws(StorageError) {
        try writer.put(code, at: position)
        try writer.put(space, at: position + 4)
        try writer.put(length, at: position + 8)
        try writer.put(offset, at: position + 16)
    }

    /// The longest path that is read.
    static let longest: UInt32 = 64 << 10

    /// The bytes of the file that belong to it; nil when no file has them.
    ///
    /// Space that does not hold the path is taken as a number of sectors.
    var range: Range<UInt64>? {
        let bytes = space >= length ? UInt64(space) : UInt64(space) * 512
        guard length <= Self.longest, bytes >= UInt64(length) else { return nil }
        let (end, overflow) = offset.addingReportingOverflow(bytes)
        return overflow ? nil : offset..<end
    }

    /// The path as text; what is no valid UTF-16 is replaced, trailing zeros are dropped.
    static func text(_ bytes: [UInt8], path: String) throws(DiskError) -> String {
        guard bytes.count % 2 == 0 else {
            throw .malformed(path, "parent locator length", expected: "an even number", found: bytes.count)
        }
        var units = try DiskFields(bytes, .little, path: path).units(at: 0, count: bytes.count)
        #if FERMATA_PLANTED_BUG
            while units[units.count - 1] == 0 { units.removeLast() }
        #endif
        while units.last == 0 { units.removeLast() }
        guard !units.contains(0) else {
            throw .malformed(path, "parent locator", expected: "a path", found: "a zero within it")
        }
        return String(decoding: units, as: UTF16.self)
    }

    /// The bytes of a path.
    static func bytes(_ text: String) -> [UInt8] {
        text.utf16.flatMap { [UInt8(truncatingIfNeeded: $0), UInt8(truncatingIfNeeded: $0 >> 8)] }
    }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import SystemPackage
import VirtualDisk

/// A VHD's file as bytes to damage, with the places at which this package puts its structures.
struct VHDBytes {
    static let header: Int = 512
    static let table: Int = 1536
    static let firstLocator: Int = header + 576

    var bytes: [UInt8]

    init(_ path: FilePath) throws {
        let store = try FileStore(opening: path, access: .readOnly)
        bytes = try store.bytes(at: 0, count: Int(store.length()))
    }

    var footer: Int { bytes.count - 512 }

    func number(at offset: Int) -> UInt32 {
        bytes[offset..<offset + 4].reduce(0) { $0 << 8 | UInt32($1) }
    }

    mutating func put<Integer: FixedWidthInteger & UnsignedInteger>(_ value: Integer, at offset: Int) {
        for index in 0..<Integer.bitWidth / 8 {
            bytes[offset + index] = UInt8(truncatingIfNeeded: value >> Integer(Integer.bitWidth - 8 - 8 * index))
        }
    }

    /// Changes the footer and its copy alike, if there is one.
    mutating func putInFooters<Integer: FixedWidthInteger & UnsignedInteger>(_ value: Integer, at offset: Int) {
        for footer in bytes[0..<8].elementsEqual("conectix".utf8) ? [0, footer] : [footer] {
            put(value, at: footer + offset)
        }
    }

    /// Replaces the relative path to the parent.
    mutating func putParentPath(_ units: [UInt8]) {
        let offset = Int(number(at: Self.firstLocator + 20))
        bytes.replaceSubrange(offset..<offset + units.count, with: units)
        put(UInt32(units.count), at: Self.firstLocator + 8)
    }

    mutating func putParentPath(_ text: String) {
        putParentPath(text.utf16.flatMap { [UInt8(truncatingIfNeeded: $0), UInt8(truncatingIfNeeded: $0 >> 8)] })
    }

    /// Makes the checksums right again.
    mutating func sum() {
        if bytes[Self.header..<Self.header + 8].elementsEqual("cxsparse".utf8) {
            sum(Self.header..<Self.header + 1024, fieldAt: Self.header + 36)
            sum(0..<512, fieldAt: 64)
        }
        sum(footer..<footer + 512, fieldAt: footer + 64)
    }

    private mutating func sum(_ range: Range<Int>, fieldAt field: Int) {
        put(0 as UInt32, at: field)
        put(~bytes[range].reduce(0 as UInt32) { $0 &+ UInt32($1) }, at: field)
    }
}

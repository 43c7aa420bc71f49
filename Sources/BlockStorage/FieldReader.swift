// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// Which byte of a number comes first.
public enum ByteOrder: Hashable, Sendable {
    /// The highest byte comes first.
    case big
    /// The lowest byte comes first.
    case little
}

/// Reads the fields of an on-disk structure, each one checked against its bounds.
public struct FieldReader: Sendable {
    /// The structure's bytes.
    public let bytes: [UInt8]
    /// The order of its numbers.
    public let order: ByteOrder
    /// What messages call the structure.
    public let name: String

    /// Makes a reader.
    public init(_ bytes: [UInt8], _ order: ByteOrder, name: String) {
        self.bytes = bytes
        self.order = order
        self.name = name
    }

    /// Reads an integer of its type's own width.
    public func integer<Integer: FixedWidthInteger & UnsignedInteger>(
        _ type: Integer.Type = Integer.self, at offset: Int
    ) throws(StorageError) -> Integer {
        let width = Integer.bitWidth / 8
        try check(offset, width)
        var value: Integer = 0
        for index in 0..<width {
            let position = order == .big ? offset + index : offset + width - 1 - index
            value = value << 8 | Integer(truncatingIfNeeded: bytes[position])
        }
        return value
    }

    /// Copies `count` bytes.
    public func slice(at offset: Int, count: Int) throws(StorageError) -> [UInt8] {
        try check(offset, count)
        return Array(bytes[offset..<offset + count])
    }

    /// Reads `count` bytes as UTF-16 code units.
    public func units(at offset: Int, count: Int) throws(StorageError) -> [UInt16] {
        try check(offset, count)
        var units: [UInt16] = []
        units.reserveCapacity(count / 2)
        for index in 0..<count / 2 {
            try units.append(integer(at: offset + 2 * index))
        }
        return units
    }

    private func check(_ offset: Int, _ count: Int) throws(StorageError) {
        guard offset >= 0, count >= 0, offset <= bytes.count, count <= bytes.count - offset else {
            throw StorageError(
                .corrupt, name: name, detail: "a field lies outside the structure", offset: UInt64(clamping: offset))
        }
    }
}

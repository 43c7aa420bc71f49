// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// Builds an on-disk structure of a fixed size, each field checked against its bounds.
public struct FieldWriter: Sendable {
    /// The structure's bytes so far; what was not written is zero.
    public private(set) var bytes: [UInt8]
    /// The order of its numbers.
    public let order: ByteOrder
    /// What messages call the structure.
    public let name: String

    /// Starts with zeros.
    public init(count: Int, _ order: ByteOrder, name: String) {
        bytes = Array(repeating: 0, count: count)
        self.order = order
        self.name = name
    }

    /// Writes an integer in its type's own width.
    public mutating func put<Integer: FixedWidthInteger & UnsignedInteger>(
        _ value: Integer, at offset: Int
    ) throws(StorageError) {
        let width = Integer.bitWidth / 8
        try check(offset, width)
        for index in 0..<width {
            let shift = 8 * (order == .big ? width - 1 - index : index)
            bytes[offset + index] = UInt8(truncatingIfNeeded: value >> Integer(shift))
        }
    }

    /// Copies bytes.
    public mutating func put(_ slice: some Collection<UInt8>, at offset: Int) throws(StorageError) {
        try check(offset, slice.count)
        for (index, byte) in slice.enumerated() {
            bytes[offset + index] = byte
        }
    }

    /// Writes UTF-16 code units in the structure's order.
    public mutating func put(units: some Collection<UInt16>, at offset: Int) throws(StorageError) {
        try check(offset, units.count * 2)
        for (index, unit) in units.enumerated() {
            try put(unit, at: offset + 2 * index)
        }
    }

    private func check(_ offset: Int, _ count: Int) throws(StorageError) {
        guard offset >= 0, count >= 0, offset <= bytes.count, count <= bytes.count - offset else {
            throw StorageError(
                .outOfRange, name: name, detail: "a field lies outside the structure", offset: UInt64(clamping: offset))
        }
    }
}

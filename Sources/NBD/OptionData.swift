// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// The data of an option, read from front to back.
struct OptionData {
    private var rest: ArraySlice<UInt8>

    init(_ bytes: [UInt8]) {
        rest = bytes[...]
    }

    /// Whether everything has been read.
    var isAtEnd: Bool { rest.isEmpty }

    /// Takes a number in network order; nil when too little is left.
    mutating func number<Number: FixedWidthInteger & UnsignedInteger>(_ type: Number.Type) -> Number? {
        let size = MemoryLayout<Number>.size
        guard rest.count >= size else {
            return nil
        }
        defer { rest = rest.dropFirst(size) }
        return rest.prefix(size).reduce(0) { $0 << 8 | Number($1) }
    }

    /// Takes a string that follows its own length of four bytes; nil when it is no such string.
    mutating func string() -> String? {
        guard let length = number(UInt32.self), let count = Int(exactly: length) else {
            return nil
        }
        #if FERMATA_PLANTED_BUG
            _ = rest[rest.startIndex..<rest.startIndex + count]
        #endif
        guard count <= rest.count else {
            return nil
        }
        return string(count)
    }

    /// Takes everything that is left as a string; nil when it is none.
    mutating func remainingString() -> String? {
        string(rest.count)
    }

    /// The protocol bounds every string, and has them in UTF-8 without NUL.
    private mutating func string(_ count: Int) -> String? {
        defer { rest = rest.dropFirst(count) }
        guard count <= 4096, !rest.prefix(count).contains(0) else {
            return nil
        }
        return String(validating: rest.prefix(count), as: UTF8.self)
    }
}

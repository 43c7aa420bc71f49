// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// An amount of memory or disk, in bytes.
public struct ByteSize: Hashable, Sendable, Comparable, CustomStringConvertible {
    /// The number of bytes.
    public let bytes: UInt64

    /// A size of so many bytes.
    public init(bytes: UInt64) {
        self.bytes = bytes
    }

    /// So many times 1024 bytes; what exceeds the largest size becomes it.
    public static func kibibytes(_ count: UInt64) -> ByteSize { ByteSize(count, shift: 10) }
    /// So many times 1024 KiB; what exceeds the largest size becomes it.
    public static func mebibytes(_ count: UInt64) -> ByteSize { ByteSize(count, shift: 20) }
    /// So many times 1024 MiB; what exceeds the largest size becomes it.
    public static func gibibytes(_ count: UInt64) -> ByteSize { ByteSize(count, shift: 30) }

    private init(_ count: UInt64, shift: UInt64) {
        let (bytes, overflow) = count.multipliedReportingOverflow(by: 1 << shift)
        self.bytes = overflow ? .max : bytes
    }

    /// Reads `512`, `64M`, `64MiB` and the like: a bare number is bytes, `K M G T` are powers of 1024.
    ///
    /// - Throws: ``ValueError`` with a sentence that says what was expected.
    public init(parsing text: String) throws(ValueError) {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        let unit = text.dropFirst(digits.count)
        guard let count = UInt64(digits) else {
            throw ValueError("expected a size such as \"256M\", got \"\(text)\"")
        }
        guard let shift = ByteSize.shifts[String(unit)] else {
            if ["KB", "MB", "GB", "TB", "kB"].contains(String(unit)) {
                throw ValueError(
                    "size \"\(text)\": \(unit) is ambiguous; write \(unit.prefix(1).uppercased()) or "
                        + "\(unit.prefix(1).uppercased())iB for powers of 1024")
            }
            throw ValueError("expected a size such as \"256M\", got \"\(text)\"")
        }
        let (bytes, overflow) = count.multipliedReportingOverflow(by: 1 << shift)
        guard !overflow else { throw ValueError("size \"\(text)\" is larger than any disk") }
        self.bytes = bytes
    }

    private static let shifts: [String: UInt64] = [
        "": 0, "K": 10, "KiB": 10, "M": 20, "MiB": 20, "G": 30, "GiB": 30, "T": 40, "TiB": 40,
    ]

    /// The size in the largest unit that loses nothing: `256 MiB`, `1000 B`.
    public var description: String {
        for (unit, shift) in [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)] as [(String, UInt64)]
        where bytes >= 1 << shift && bytes % (1 << shift) == 0 {
            return "\(bytes >> shift) \(unit)"
        }
        return "\(bytes) B"
    }

    /// Orders sizes by their bytes.
    public static func < (left: ByteSize, right: ByteSize) -> Bool {
        left.bytes < right.bytes
    }
}

extension ByteSize: Codable {
    /// Reads a number of bytes.
    public init(from decoder: any Decoder) throws {
        self.init(bytes: try decoder.singleValueContainer().decode(UInt64.self))
    }

    /// Writes the number of bytes.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(bytes)
    }
}

/// A value that was written wrongly: one sentence that says what was expected and what was found.
public struct ValueError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The sentence.
    public let description: String

    /// Makes an error of a sentence.
    public init(_ description: String) {
        self.description = description
    }
}

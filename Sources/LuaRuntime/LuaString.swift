// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// A Lua string: any bytes.
public struct LuaString: Hashable, Sendable, ExpressibleByStringLiteral, CustomStringConvertible {
    /// The bytes.
    public var bytes: [UInt8]

    /// Makes a string of bytes.
    public init(bytes: some Sequence<UInt8>) {
        self.bytes = Array(bytes)
    }

    /// Makes a string of text, as UTF-8.
    public init(_ text: String) {
        bytes = Array(text.utf8)
    }

    /// Makes a string of text, as UTF-8.
    public init(stringLiteral value: String) {
        self.init(value)
    }

    /// The text, if the bytes are UTF-8.
    public var text: String? { String(validating: bytes, as: UTF8.self) }

    /// The text, with replacement characters for what is not UTF-8.
    public var description: String { String(decoding: bytes, as: UTF8.self) }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import Foundation

extension JSON {
    /// The value on several lines with sorted keys, without a newline at its end.
    public var pretty: String { text([.sortedKeys, .withoutEscapingSlashes, .prettyPrinted]) }

    /// The value on one line with sorted keys and no white space.
    public var compact: String { text([.sortedKeys, .withoutEscapingSlashes]) }

    private func text(_ formatting: JSONEncoder.OutputFormatting) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = formatting
        // The encoder refuses only numbers that are not finite, and there are none.
        guard let data = try? encoder.encode(self) else { return "null" }
        return String(decoding: data, as: UTF8.self)
    }
}

extension JSON: Encodable {
    /// Writes the value as what it is.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .null: try container.encodeNil()
        case .bool(let value): try container.encode(value)
        case .number(let number): try number.encode(to: encoder)
        case .string(let text): try container.encode(text)
        case .array(let elements): try container.encode(elements)
        case .object(let members): try container.encode(members)
        }
    }
}

extension JSON.Number: Encodable {
    /// Writes the number; whole ones of up to 38 digits lose none.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        if let value = Int64(text) {
            try container.encode(value)
        } else if !text.contains(where: { $0 == "." || $0 == "e" }), let value = Decimal(string: text) {
            try container.encode(value)
        } else if let value = Double(text), value.isFinite {
            try container.encode(value)
        } else {
            try container.encodeNil()
        }
    }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import Foundation

extension JSONValue {
    /// Reads a JSON text, or nil when the bytes are not exactly one value; of members with one name the last stays.
    public init?(text bytes: [UInt8]) {
        let object = try? JSONSerialization.jsonObject(with: Data(bytes), options: [.fragmentsAllowed])
        guard let object else { return nil }
        self.init(foundation: object)
    }

    /// Takes what `JSONSerialization` has read; it bounds the nesting.
    private init(foundation object: Any) {
        switch object {
        case let text as String: self = .string(text)
        case let number as NSNumber:
            // Truth values are numbers of one character there.
            if unsafe number.objCType.pointee == CChar(bitPattern: UInt8(ascii: "c")) {
                self = .bool(number.boolValue)
            } else {
                let text = number.stringValue
                let value = Double(text) ?? number.doubleValue
                self = (Int64(text) ?? Int64(exactly: value)).map { .integer($0) } ?? .number(value)
            }
        case let members as [String: Any]: self = .object(members.mapValues { JSONValue(foundation: $0) })
        case let elements as [Any]: self = .array(elements.map { JSONValue(foundation: $0) })
        default: self = .null
        }
    }
}

extension JSONValue: CustomStringConvertible {
    /// The value as JSON text on one line, members sorted by name.
    public var description: String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        // The encoder refuses only numbers that are not finite, and they are written as null.
        guard let data = try? encoder.encode(self) else { return "null" }
        return String(decoding: data, as: UTF8.self)
    }
}

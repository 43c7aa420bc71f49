// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// A JSON value: what Fermata's documents are read from and written as.
///
/// It keeps numbers as written, refuses a key that stands twice, and writes its keys sorted, so that equal values have
/// equal text. It knows nothing of what a document means.
public enum JSON: Hashable, Sendable {
    /// The value `null`.
    case null
    /// A truth value.
    case bool(Bool)
    /// A number.
    case number(Number)
    /// A text.
    case string(String)
    /// A list.
    case array([JSON])
    /// An object.
    case object([String: JSON])

    /// A number in the form in which JSON writes it, so that no digit is lost.
    public struct Number: Hashable, Sendable {
        /// The digits, sign, fraction and exponent.
        public let text: String

        /// Writes a whole number.
        public init(_ value: some BinaryInteger) {
            text = String(value)
        }

        /// Writes a number with a fraction; nil for what is not finite.
        public init?(_ value: Double) {
            guard value.isFinite else { return nil }
            text = "\(value)"
        }

        init(verbatim text: String) {
            self.text = text
        }
    }

    /// A whole number.
    public static func integer(_ value: some BinaryInteger) -> JSON {
        .number(Number(value))
    }

    /// An object of those members that are there; the others are left out.
    public static func members(_ members: [String: JSON?]) -> JSON {
        .object(members.compactMapValues { $0 })
    }

    /// What kind of value it is, as the end of a sentence.
    var kind: String {
        switch self {
        case .null: "null"
        case .bool(let value): value ? "true" : "false"
        case .number(let number): number.text
        case .string(let text): "\"\(text.shortened(to: 40))\""
        case .array: "a list"
        case .object: "an object"
        }
    }
}

extension JSON: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral {
    /// Takes a text.
    public init(stringLiteral text: String) {
        self = .string(text)
    }

    /// Takes a whole number.
    public init(integerLiteral value: Int) {
        self = .integer(value)
    }

    /// Takes a truth value.
    public init(booleanLiteral value: Bool) {
        self = .bool(value)
    }
}

extension JSON: ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral {
    /// Takes a list.
    public init(arrayLiteral elements: JSON...) {
        self = .array(elements)
    }

    /// Takes an object; of a key that stands twice the last value counts.
    public init(dictionaryLiteral elements: (String, JSON)...) {
        self = .object(Dictionary(elements, uniquingKeysWith: { _, last in last }))
    }
}

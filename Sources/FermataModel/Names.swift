// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// The name of a machine, which is also its folder's name.
///
/// 1 to 64 letters, digits, `.`, `_` and `-`, the first a letter or digit, and not `Boot`. A literal holds whatever
/// was written, so that a recipe with a bad name can be told about it at its line; see ``problem``.
public struct MachineName: Hashable, Sendable, Comparable, CustomStringConvertible, ExpressibleByStringLiteral {
    /// The name as written.
    public let description: String

    /// Takes a name as written, valid or not.
    public init(_ text: String) {
        description = text
    }

    /// Takes a literal as written, valid or not.
    public init(stringLiteral text: String) {
        description = text
    }

    /// What is wrong with the name, as the end of a sentence; nil for a valid one.
    public var problem: String? {
        let characters = description.utf8
        guard let first = characters.first else { return "is empty" }
        if characters.count > 64 { return "is longer than 64 characters" }
        if description == "Boot" { return "is reserved for the lab's boot files" }
        guard MachineName.isLetterOrDigit(first) else { return "must begin with a letter or digit" }
        let allowed = characters.allSatisfy { MachineName.isLetterOrDigit($0) || [0x2E, 0x5F, 0x2D].contains($0) }
        return allowed ? nil : "may hold only letters, digits, '.', '_' and '-'"
    }

    private static func isLetterOrDigit(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: false
        }
    }

    /// Orders names by their text.
    public static func < (left: MachineName, right: MachineName) -> Bool {
        left.description < right.description
    }
}

/// The name of a checkpoint, unique within its machine.
///
/// 1 to 100 characters, no `/`, no control characters. A literal holds whatever was written; see ``problem``.
public struct CheckpointName: Hashable, Sendable, Comparable, CustomStringConvertible, ExpressibleByStringLiteral {
    /// The name as written.
    public let description: String

    /// Takes a name as written, valid or not.
    public init(_ text: String) {
        description = text
    }

    /// Takes a literal as written, valid or not.
    public init(stringLiteral text: String) {
        description = text
    }

    /// What is wrong with the name, as the end of a sentence; nil for a valid one.
    public var problem: String? {
        if description.isEmpty { return "is empty" }
        if description.count > 100 { return "is longer than 100 characters" }
        if description.contains("/") { return "may not hold '/', which separates the names of a path" }
        if description.unicodeScalars.contains(where: \.isControl) { return "may not hold control characters" }
        return nil
    }

    /// Orders names by their text.
    public static func < (left: CheckpointName, right: CheckpointName) -> Bool {
        left.description < right.description
    }
}

extension MachineName: Codable {
    /// Reads the text.
    public init(from decoder: any Decoder) throws {
        self.init(try decoder.singleValueContainer().decode(String.self))
    }

    /// Writes the text.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

extension CheckpointName: Codable {
    /// Reads the text.
    public init(from decoder: any Decoder) throws {
        self.init(try decoder.singleValueContainer().decode(String.self))
    }

    /// Writes the text.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataEngine
import FermataModel
import Foundation

/// Why a line of the control protocol cannot be believed: whoever sent it is disconnected.
struct ControlViolation: Error, CustomStringConvertible {
    let description: String
}

/// One line of the control protocol: a JSON object, and the descriptors that came with it.
struct ControlMessage: Sendable {
    /// The object's members.
    var members: [String: JSON]
    /// The descriptors, as many as the member `descriptors` says.
    var descriptors: [ControlDescriptor] = []

    /// Makes a message to send.
    init(_ members: [String: JSON], _ descriptors: [ControlDescriptor] = []) {
        self.members = members
        self.descriptors = descriptors
        if !descriptors.isEmpty { self.members["descriptors"] = .integer(descriptors.count) }
    }

    /// Reads a line that came in.
    ///
    /// - Parameter arrived: the descriptors that have come and belong to no line yet, oldest first.
    init(line: [UInt8], taking arrived: inout [ControlDescriptor]) throws(ControlViolation) {
        guard let text = String(validating: line, as: UTF8.self) else {
            throw ControlViolation(description: "a line is not UTF-8")
        }
        let value: JSON
        do throws(DocumentError) {
            value = try JSON(parsing: text)
        } catch {
            throw ControlViolation(description: "a line is not JSON: \(error)")
        }
        try self.init(value)
        let count = try integer("descriptors") ?? 0
        guard (0...ControlSocket.mostDescriptors).contains(count), count <= arrived.count else {
            throw ControlViolation(description: "a line says that \(count) descriptors came with it, and they did not")
        }
        descriptors = Array(arrived.prefix(count))
        arrived.removeFirst(count)
    }

    /// Takes a member that is an object itself.
    init(_ value: JSON) throws(ControlViolation) {
        guard case .object(let members) = value else {
            throw ControlViolation(description: "expected an object")
        }
        self.members = members
    }

    /// The line, with its end.
    var line: [UInt8] {
        Array(JSON.object(members).compact.utf8) + [UInt8(ascii: "\n")]
    }

    /// A text; nil when the member is absent.
    func text(_ name: String) throws(ControlViolation) -> String? {
        switch members[name] {
        case nil: return nil
        case .string(let text)?: return text
        default: throw ControlViolation(description: "\"\(name)\" is no text")
        }
    }

    /// A text that must be there.
    func requiredText(_ name: String) throws(ControlViolation) -> String {
        try required(text(name), name)
    }

    /// Bytes in base 64 that must be there.
    func requiredBytes(_ name: String) throws(ControlViolation) -> [UInt8] {
        Array(try required(Data(base64Encoded: requiredText(name)), name))
    }

    /// A whole number; nil when the member is absent.
    func integer<Value: FixedWidthInteger>(_ name: String) throws(ControlViolation) -> Value? {
        switch members[name] {
        case nil: return nil
        case .number(let number)?:
            guard let value = Value(number.text) else { fallthrough }
            return value
        default: throw ControlViolation(description: "\"\(name)\" is no number that fits")
        }
    }

    /// A whole number that must be there.
    func requiredInteger<Value: FixedWidthInteger>(_ name: String) throws(ControlViolation) -> Value {
        try required(integer(name), name)
    }

    /// Whether a member says true; one that is absent says false.
    func flag(_ name: String) throws(ControlViolation) -> Bool {
        switch members[name] {
        case nil: return false
        case .bool(let value)?: return value
        default: throw ControlViolation(description: "\"\(name)\" is neither true nor false")
        }
    }

    /// Texts; nil when the member is absent.
    func texts(_ name: String) throws(ControlViolation) -> [String]? {
        guard let value = members[name] else { return nil }
        guard case .array(let elements) = value else {
            throw ControlViolation(description: "\"\(name)\" is no list")
        }
        var texts: [String] = []
        for element in elements {
            guard case .string(let text) = element else {
                throw ControlViolation(description: "\"\(name)\" holds something that is no text")
            }
            texts.append(text)
        }
        return texts
    }

    /// An identity that must be there.
    func identity(_ name: String) throws(ControlViolation) -> GUID {
        try required(GUID(requiredText(name)), name)
    }

    /// A length of time in milliseconds that must be there.
    func span(_ name: String) throws(ControlViolation) -> TimeSpan {
        .milliseconds(try requiredInteger(name))
    }

    /// A word out of a fixed set; nil when the member is absent.
    func word<Word: RawRepresentable<String>>(_ name: String) throws(ControlViolation) -> Word? {
        guard let text = try text(name) else { return nil }
        return try required(Word(rawValue: text), name)
    }

    /// An object; nil when the member is absent.
    func object(_ name: String) throws(ControlViolation) -> ControlMessage? {
        guard let value = members[name] else { return nil }
        return try ControlMessage(value)
    }

    /// Objects; nil when the member is absent.
    func objects(_ name: String) throws(ControlViolation) -> [ControlMessage]? {
        guard let value = members[name] else { return nil }
        guard case .array(let elements) = value else {
            throw ControlViolation(description: "\"\(name)\" is no list")
        }
        var objects: [ControlMessage] = []
        for element in elements { objects.append(try ControlMessage(element)) }
        return objects
    }

    func required<Value>(_ value: Value?, _ name: String) throws(ControlViolation) -> Value {
        guard let value else {
            throw ControlViolation(description: "\"\(name)\" is missing, or holds what nobody knows")
        }
        return value
    }
}

extension JSON {
    /// Bytes in base 64.
    static func bytes(_ bytes: [UInt8]) -> JSON { .string(Data(bytes).base64EncodedString()) }
}

/// Cuts what arrives into lines.
struct ControlLines {
    /// The longest line that is taken.
    let limit: Int
    private var rest: [UInt8] = []

    init(limit: Int) {
        self.limit = limit
    }

    /// Takes bytes in; returns the lines that are complete.
    mutating func feed(_ bytes: some Collection<UInt8>) throws(ControlViolation) -> [[UInt8]] {
        var lines: [[UInt8]] = []
        var bytes = bytes[...]
        while let end = bytes.firstIndex(of: UInt8(ascii: "\n")) {
            try append(bytes[..<end])
            lines.append(rest)
            rest = []
            bytes = bytes[bytes.index(after: end)...]
        }
        try append(bytes)
        return lines
    }

    private mutating func append(_ bytes: some Collection<UInt8>) throws(ControlViolation) {
        guard rest.count + bytes.count <= limit else {
            throw ControlViolation(description: "a line is longer than \(limit) bytes")
        }
        rest += bytes
    }
}

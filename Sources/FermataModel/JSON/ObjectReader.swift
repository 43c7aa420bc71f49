// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// Reads the members of one JSON object and knows where in the document it stands.
///
/// A member that is not among the object's fields is refused when the reader is made.
struct ObjectReader {
    let path: String
    private let members: [String: JSON]

    init(_ value: JSON, at path: String, fields: [String]) throws(DocumentError) {
        guard case .object(let members) = value else {
            throw DocumentError(.value, path: path, "expected an object, found \(value.kind)")
        }
        self.path = path
        self.members = members
        for name in members.keys.sorted() where !fields.contains(name) {
            throw DocumentError(
                .unknownField, path: path,
                "unknown field \"\(name.shortened(to: 40))\"\(Spelling.hint(for: name, among: fields))")
        }
    }

    func has(_ name: String) -> Bool {
        members[name] != nil
    }

    /// The path of a member.
    func path(of name: String) -> String {
        path.isEmpty ? name : "\(path).\(name)"
    }

    func required(_ name: String) throws(DocumentError) -> JSON {
        guard let value = members[name] else {
            throw DocumentError(.missing, path: path, "the field \"\(name)\" is missing")
        }
        return value
    }

    func string(_ name: String) throws(DocumentError) -> String {
        try text(required(name), at: path(of: name))
    }

    func optionalString(_ name: String) throws(DocumentError) -> String? {
        guard let value = members[name] else { return nil }
        return try text(value, at: path(of: name))
    }

    func strings(_ name: String) throws(DocumentError) -> [String] {
        var texts: [String] = []
        for (path, value) in try elements(name) { texts.append(try text(value, at: path)) }
        return texts
    }

    func bool(_ name: String) throws(DocumentError) -> Bool? {
        switch members[name] {
        case nil: return nil
        case .bool(let value)?: return value
        case let value?:
            throw DocumentError(.value, path: path(of: name), "expected true or false, found \(value.kind)")
        }
    }

    /// A whole number, or nil when the member is absent; `meaning` ends the sentence about anything else.
    func integer<Value: FixedWidthInteger>(_ name: String, _ meaning: String) throws(DocumentError) -> Value? {
        guard let value = members[name] else { return nil }
        guard case .number(let number) = value, let integer = Value(number.text) else {
            throw DocumentError(.value, path: path(of: name), "expected \(meaning), found \(value.kind)")
        }
        return integer
    }

    /// The elements of a list with their paths; none when the member is absent.
    func elements(_ name: String) throws(DocumentError) -> [(path: String, value: JSON)] {
        guard let value = members[name] else { return [] }
        guard case .array(let elements) = value else {
            throw DocumentError(.value, path: path(of: name), "expected a list, found \(value.kind)")
        }
        return elements.enumerated().map { ("\(path(of: name))[\($0.offset)]", $0.element) }
    }

    private func text(_ value: JSON, at path: String) throws(DocumentError) -> String {
        guard case .string(let text) = value else {
            throw DocumentError(.value, path: path, "expected a text, found \(value.kind)")
        }
        return text
    }
}

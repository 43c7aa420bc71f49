// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import LuaRuntime

/// A value that a script gave, and what messages call the place where it was given.
struct Given {
    let value: LuaValue
    /// Such as `bad field 'memory' of machine 'web'`.
    let place: String

    /// The longest list that is read.
    static let longestList = 10_000

    func wrong(_ expected: String) -> WordError {
        let got =
            switch value {
            case .nil: "no value"
            case .boolean, .integer, .number: "\(value)"
            default: value.kindDescription
            }
        return WordError("\(place): expected \(expected), got \(got)")
    }

    /// The text; `noun` is what it should be, such as `a name`.
    func text(_ noun: String) throws -> String {
        guard let bytes = value.bytesValue else { throw wrong("\(noun) (a string)") }
        guard let text = bytes.text else {
            throw WordError("\(place): expected \(noun), got a string that is not UTF-8 text")
        }
        return text
    }

    /// The one text, or the texts of a list.
    func texts(_ noun: String) throws -> [String] {
        guard let table = value.tableValue else {
            guard value.bytesValue != nil else { throw wrong("\(noun) (a string) or a list of them") }
            return [try text(noun)]
        }
        return try Given.list(of: table, place: place).map { try $0.text(noun) }
    }

    /// One of the words of a fixed set.
    func word<Word: RawRepresentable<String> & CaseIterable>() throws -> Word {
        let known = Word.allCases.map(\.rawValue)
        let quoted = known.map { "\"\($0)\"" }
        let list = quoted.dropLast().joined(separator: ", ") + " or " + (quoted.last ?? "")
        let text = try text(list)
        guard let word = Word(rawValue: text) else {
            throw WordError(
                "\(place): expected \(list), got \"\(text.shortened(to: 60))\"\(WordError.hint(for: text, among: known))"
            )
        }
        return word
    }

    func boolean() throws -> Bool {
        guard let truth = value.booleanValue else { throw wrong("true or false") }
        return truth
    }

    func integer(_ noun: String) throws -> Int {
        guard let number = value.integerValue, let count = Int(exactly: number) else { throw wrong(noun) }
        return count
    }

    /// A size; a number is bytes.
    func size() throws -> ByteSize {
        if let number = value.integerValue, let bytes = UInt64(exactly: number) { return ByteSize(bytes: bytes) }
        guard value.bytesValue != nil else { throw wrong("a size such as \"256M\"") }
        return try parsed("a size", ByteSize.init(parsing:))
    }

    func span() throws -> TimeSpan {
        guard value.bytesValue != nil else { throw wrong("a duration such as \"60s\" (units ms, s, m, h)") }
        return try parsed("a duration", TimeSpan.init(parsing:))
    }

    private func parsed<Value>(_ noun: String, _ parse: (String) throws(ValueError) -> Value) throws -> Value {
        let text = try text(noun)
        do {
            // A long text is no size, and its message shall not be as long.
            return try parse(text.shortened(to: 60))
        } catch {
            throw WordError("\(place): \(error)")
        }
    }

    /// The elements of a list that has no gaps and nothing else beside it.
    static func list(of table: LuaTable, place: String) throws -> [Given] {
        let fields = try Fields(table, noun: "element", of: place)
        guard fields.named.isEmpty else {
            throw WordError("\(place): expected a list, got a table with the field '\(fields.named[0].name)'")
        }
        return fields.list.enumerated().map { Given(value: $1, place: "\(place), element \($0 + 1)") }
    }
}

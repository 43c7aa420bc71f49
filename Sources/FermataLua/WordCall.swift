// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import LuaRuntime

/// What a word was called with, in either form: `word("x", { option = ... })` or `word { "x", option = ... }`.
struct WordCall {
    /// The word in Lua.
    let word: String
    /// The value that its position names.
    private(set) var positional: LuaValue = .nil
    /// The options, to take from.
    var options: Fields

    /// Takes a call of a word whose positional value, if it has one, is a single one.
    init(_ call: LuaCall, takesValue: Bool) throws {
        word = call.name
        options = Fields(noun: "option", of: "'\(word)'")
        let arguments = call.arguments.reversed().drop(while: \.isNil).reversed() as [LuaValue]
        guard let first = arguments.first else { return }
        guard first.object(as: RecordedMachine.self) == nil else {
            throw WordError("'\(word)' got a machine: for one machine, write 'm:\(word)(...)', where m is the machine")
        }
        guard arguments.count <= (takesValue ? 2 : 1) else { throw tooMany(arguments.count, takesValue) }
        if arguments.count == 1, let table = first.tableValue {
            options = try Fields(table, noun: "option", of: "'\(word)'")
            guard options.list.count <= (takesValue ? 1 : 0) else {
                throw tooMany(options.list.count, takesValue)
            }
            positional = options.list.first ?? .nil
        } else if takesValue {
            positional = first
            try takeOptions(arguments.dropFirst().first)
        } else {
            throw WordError("'\(word)' takes no argument, got \(first.kindDescription)")
        }
    }

    /// Takes a call of a word whose positional value may be a list, with or without options behind it.
    init(listTaking call: LuaCall) throws {
        word = call.name
        options = Fields(noun: "option", of: "'\(word)'")
        guard call.count <= 2 else { throw tooMany(call.count, true) }
        positional = call[0]
        if let table = call[0].tableValue {
            options = try Fields(table, noun: "option", of: "'\(word)'")
            guard options.named.isEmpty || call[1].isNil else {
                throw WordError("'\(word)' has options in both tables: write all of them in one")
            }
        }
        if !call[1].isNil {
            let list = options.list
            try takeOptions(call[1])
            listed = list
        } else {
            listed = options.list
        }
    }

    /// The list, when the positional value is one.
    private(set) var listed: [LuaValue] = []

    /// The positional value as something to read.
    var value: Given { Given(value: positional, place: "bad argument #1 to '\(word)'") }

    /// The option `within`, or what holds without it.
    mutating func within() throws -> TimeSpan {
        try options.take("within")?.span() ?? Action.defaultWithin
    }

    private mutating func takeOptions(_ value: LuaValue?) throws {
        guard let value else { return }
        guard let table = value.tableValue else {
            throw Given(value: value, place: "bad argument #2 to '\(word)'").wrong("a table of options")
        }
        options = try Fields(table, noun: "option", of: "'\(word)'")
        guard options.list.isEmpty else {
            throw WordError("bad argument #2 to '\(word)': expected named options, got a list")
        }
    }

    private func tooMany(_ count: Int, _ takesValue: Bool) -> WordError {
        let most = takesValue ? "one value and a table of options" : "no value"
        return WordError("'\(word)' takes \(most), got \(count == 1 ? "one" : "\(count)")")
    }
}

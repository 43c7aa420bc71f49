// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import LuaRuntime

/// A table that a script gave: its list, and its named fields, of which each is asked for and no other is let by.
struct Fields {
    /// What a named field is called: `field` of a machine, `option` of a step.
    let noun: String
    /// What the table belongs to, such as `machine 'web'`.
    let owner: String
    /// The values at 1, 2 and so on.
    private(set) var list: [LuaValue] = []
    /// The named fields, in the order of Lua's `pairs`.
    private(set) var named: [(name: String, value: LuaValue)] = []
    private var asked: [String] = []

    /// No fields at all.
    init(noun: String, of owner: String) {
        self.noun = noun
        self.owner = owner
    }

    /// Reads a table, which may hold nothing but a list without gaps and named fields.
    init(_ table: LuaTable, noun: String, of owner: String) throws {
        self.init(noun: noun, of: owner)
        guard try table.count() <= Given.longestList else {
            throw WordError("\(owner): the list has more than \(Given.longestList) elements: write fewer")
        }
        list = try table.list()
        for (key, value) in try table.pairs() {
            if let index = key.integerValue {
                guard index >= 1, index <= list.count else {
                    throw WordError(
                        "\(owner): the list has a gap: nothing at \(list.count + 1), but something at \(index)")
                }
            } else if let name = key.stringValue {
                named.append((name, value))
            } else {
                throw WordError("\(owner) has no \(noun) \(key): names are text")
            }
        }
    }

    /// The value of a field, if the script gave one.
    mutating func take(_ name: String) -> Given? {
        asked.append(name)
        guard let value = named.first(where: { $0.name == name })?.value else { return nil }
        return Given(value: value, place: "bad \(noun) '\(name)' of \(owner)")
    }

    /// Refuses fields that nobody asked for.
    func finish() throws {
        guard let name = named.map(\.name).first(where: { !asked.contains($0) }) else { return }
        let shown = name.shortened(to: 60)
        guard !asked.isEmpty else { throw WordError("unknown \(noun) '\(shown)' of \(owner), which takes none") }
        let hint = WordError.hint(for: name, among: asked)
        let known = hint.isEmpty ? ": it takes \(asked.map { "'\($0)'" }.joined(separator: ", "))" : hint
        throw WordError("unknown \(noun) '\(shown)' of \(owner)\(known)")
    }
}

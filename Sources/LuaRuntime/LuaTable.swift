// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// A table of a Lua state.
public struct LuaTable: Hashable {
    let reference: LuaReference

    /// Returns the value of a field, which metamethods may answer.
    public func get(_ key: LuaValue) throws(LuaError) -> LuaValue {
        try reference.context.get(reference, key, raw: false)
    }

    /// Returns the value that the table itself holds.
    public func rawGet(_ key: LuaValue) throws(LuaError) -> LuaValue {
        try reference.context.get(reference, key, raw: true)
    }

    /// Sets a field, which metamethods may see.
    public func set(_ key: LuaValue, _ value: LuaValue) throws(LuaError) {
        try reference.context.set(reference, key, value, raw: false)
    }

    /// Sets a field of the table itself.
    public func rawSet(_ key: LuaValue, _ value: LuaValue) throws(LuaError) {
        try reference.context.set(reference, key, value, raw: true)
    }

    /// Returns the length that Lua's `#` gives, without metamethods: that of the list.
    public func count() throws(LuaError) -> Int {
        try reference.context.length(reference, raw: true)
    }

    /// Returns the list: the values at 1, 2 and so on up to the first that is nil.
    public func list() throws(LuaError) -> [LuaValue] {
        var values: [LuaValue] = []
        while true {
            let value = try rawGet(.integer(Int64(values.count) + 1))
            guard !value.isNil else { return values }
            values.append(value)
        }
    }

    /// Returns all keys in the order of `pairs`, the same in every run.
    public func keys() throws(LuaError) -> [LuaValue] {
        try reference.context.keys(reference)
    }

    /// Returns all fields in the order of `pairs`, without metamethods.
    public func pairs() throws(LuaError) -> [(key: LuaValue, value: LuaValue)] {
        var pairs: [(key: LuaValue, value: LuaValue)] = []
        for key in try keys() {
            pairs.append((key: key, value: try rawGet(key)))
        }
        return pairs
    }
}

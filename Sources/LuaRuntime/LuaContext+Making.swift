// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import CLuaShims

extension LuaContext {
    /// Reads a chunk, which must be text, and returns it as a function.
    ///
    /// A first line that starts with `#` is skipped, as is a UTF-8 byte order mark.
    public func load(_ source: some Sequence<UInt8>, name: String) throws(LuaError) -> LuaFunction {
        let state = try unsafe open()
        let bytes = Self.withoutHeading(Array(source))
        // Lua refuses it too, but names no place.
        if bytes.first == 0x1B {
            throw LuaError(
                .syntax, "expected the text of a script, found a binary chunk", at: LuaLocation(chunk: name, line: 1))
        }
        var slot: Int32 = 0
        let reason = unsafe bytes.withUnsafeBytes { bytes in
            unsafe flua_load(state, bytes.baseAddress, bytes.count, "@\(name)", &slot)
        }
        try check(reason)
        return LuaFunction(reference: reference(slot))
    }

    /// Reads a chunk of text and returns it as a function.
    public func load(_ source: String, name: String) throws(LuaError) -> LuaFunction {
        try load(source.utf8, name: name)
    }

    /// Makes an empty table, with room for so many elements and fields.
    public func makeTable(list: Int = 0, fields: Int = 0) throws(LuaError) -> LuaTable {
        let state = try unsafe open()
        var slot: Int32 = 0
        try check(unsafe flua_new_table(state, Int32(clamping: list), Int32(clamping: fields), &slot))
        return LuaTable(reference: reference(slot))
    }

    /// Makes a table with a list of values.
    public func makeTable(list values: [LuaValue]) throws(LuaError) -> LuaTable {
        let table = try makeTable(list: values.count)
        for (index, value) in values.enumerated() {
            try table.rawSet(.integer(Int64(index) + 1), value)
        }
        return table
    }

    /// Makes a table with named fields.
    public func makeTable(_ fields: KeyValuePairs<String, LuaValue>) throws(LuaError) -> LuaTable {
        let table = try makeTable(fields: fields.count)
        for (key, value) in fields {
            try table.rawSet(LuaValue(key), value)
        }
        return table
    }

    /// Makes a function of Lua that runs the host's code.
    ///
    /// What it throws becomes an error of the script, which the script may catch as a string; when it is not caught,
    /// the `LuaError` that ends the script has the thrown error as its underlying one. A `LuaError` thrown keeps its
    /// code. Coroutines cannot yield across it.
    public func makeFunction(
        _ name: String, _ body: @escaping (LuaCall) throws -> [LuaValue]
    ) throws(LuaError) -> LuaFunction {
        let state = try unsafe open()
        let function = unsafe Unmanaged.passRetained(HostFunction(name: name, body: body))
        var slot: Int32 = 0
        var taken: Int32 = 0
        let reason = unsafe flua_new_function(state, function.toOpaque(), name, &slot, &taken)
        if taken == 0 {
            unsafe function.release()
        }
        try check(reason)
        return LuaFunction(reference: reference(slot))
    }

    /// The value of a declared global, or nil.
    public func global(_ name: String) throws(LuaError) -> LuaValue {
        try globals().rawGet(LuaValue(name))
    }

    /// Declares a global, which scripts may then read and write; one that is nil counts as not declared.
    public func setGlobal(_ name: String, _ value: LuaValue) throws(LuaError) {
        try globals().rawSet(LuaValue(name), value)
    }

    /// Declares a global that is a host function.
    public func setGlobal(_ name: String, _ body: @escaping (LuaCall) throws -> [LuaValue]) throws(LuaError) {
        try setGlobal(name, .function(makeFunction(name, body)))
    }

    /// Returns the text that Lua's `tostring` makes of a value.
    public func text(of value: LuaValue) throws(LuaError) -> LuaString {
        let state = try unsafe open()
        let results = try unsafe operate(with: [value]) { unsafe flua_to_string(state, $0) }
        guard case .string(let text) = results.first else { return "" }
        return text
    }

    /// Collects garbage: what no script can reach is let go of.
    public func collectGarbage() throws(LuaError) {
        try check(unsafe flua_collect(open()))
    }

    func globals() throws(LuaError) -> LuaTable {
        let state = try unsafe open()
        var slot: Int32 = 0
        try check(unsafe flua_globals(state, &slot))
        return LuaTable(reference: reference(slot))
    }

    private static func withoutHeading(_ source: [UInt8]) -> ArraySlice<UInt8> {
        let text = source.starts(with: [0xEF, 0xBB, 0xBF]) ? source.dropFirst(3) : source[...]
        guard text.first == UInt8(ascii: "#") else { return text }
        // The line's end stays, so that lines keep their numbers.
        return text.drop { $0 != UInt8(ascii: "\n") }
    }
}

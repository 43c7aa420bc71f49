// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import CLuaShims

/// Makes every global that the host did not declare an error, with its line.
enum LuaGlobals {
    static func makeStrict(in context: LuaContext) throws(LuaError) {
        let globals = try context.globals()
        let metatable = try context.makeTable(fields: 3)
        try metatable.rawSet(
            "__index",
            .function(
                context.makeFunction("global") { call in
                    throw LuaError(.undeclared, try undeclared(call[1], among: globals))
                }))
        try metatable.rawSet(
            "__newindex",
            .function(
                context.makeFunction("global") { call in
                    let name = call[1].stringValue ?? "\(call[1])"
                    let remedy = call[2].functionValue == nil ? "local \(name) = ..." : "local function \(name)"
                    throw LuaError(.undeclared, "global '\(name)' is not declared: write '\(remedy)'")
                }))
        try metatable.rawSet("__metatable", false)
        try context.check(
            unsafe flua_set_metatable(context.open(), globals.reference.slot, metatable.reference.slot))
    }

    private static func undeclared(_ key: LuaValue, among globals: LuaTable) throws(LuaError) -> String {
        guard let name = key.stringValue else { return "there is no global \(key)" }
        let declared = try globals.keys().compactMap(\.stringValue)
        let hint = LuaSuggestion.nearest(to: name, among: declared).map { "; did you mean '\($0)'?" } ?? ""
        return "global '\(name)' is not declared\(hint)"
    }
}

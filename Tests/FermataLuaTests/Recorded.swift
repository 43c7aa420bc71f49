// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataLua
import FermataModel
import Testing

/// Records what follows `local web = machine "web" {}`, which stands in the first line.
func recorded(_ script: String, limits: LuaRecorder.Limits = LuaRecorder.Limits()) throws -> Recipe {
    try LuaRecorder.record(
        source: "local web = machine \"web\" {}\n\(script)", chunkName: "lab.lua", limits: limits, print: { _ in })
}

/// The error of a script that must fail, after the same first line.
func mistake(
    _ script: String, limits: LuaRecorder.Limits = LuaRecorder.Limits(),
    at location: Testing.SourceLocation = #_sourceLocation
) throws -> RecipeScriptError {
    try #require(throws: RecipeScriptError.self, sourceLocation: location) { _ = try recorded(script, limits: limits) }
}

/// The error of a recipe's file, which must fail.
func mistake(
    inFile path: String, at location: Testing.SourceLocation = #_sourceLocation
) throws -> RecipeScriptError {
    try #require(throws: RecipeScriptError.self, sourceLocation: location) {
        _ = try LuaRecorder.record(path: path, print: { _ in })
    }
}

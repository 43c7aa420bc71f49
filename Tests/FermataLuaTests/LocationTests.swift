// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataLua
import FermataModel
import Testing

import struct FermataModel.SourceLocation

/// Every machine and step carries the line of its own call.
@Suite struct LocationTests {
    private func lines(_ script: String) throws -> [Int?] {
        let recipe = try recorded(script)
        #expect(recipe.steps.allSatisfy { $0.at?.file == "lab.lua" })
        return recipe.steps.map { $0.at?.line }
    }

    @Test func `a step in a function stands where the step is, not where the function is called`() throws {
        #expect(
            try lines(
                """
                local function twice(m)
                  m:revert()
                  m:revert()
                end
                twice(web)
                twice(web)
                """) == [3, 4, 3, 4])
    }

    @Test func `a step in the last call of a function has its line`() throws {
        #expect(
            try lines(
                """
                local function go(m)

                  return m:revert()
                end
                local function deeper(m) return go(m) end
                deeper(web)
                """) == [4])
    }

    @Test func `steps in loops, callbacks, protected calls and coroutines have their lines`() throws {
        #expect(
            try lines(
                """
                for i = 1, 2 do
                  web:revert() end
                pcall(function()
                  web:revert()
                end)
                pcall(web.revert, web)
                coroutine.wrap(function()
                  web:revert()
                  coroutine.yield()
                end)();
                ("a"):gsub(".", function()
                  web:revert() end)
                """) == [3, 3, 5, 7, 9, 13])
    }

    @Test func `a call over several lines stands in its first`() throws {
        #expect(
            try lines(
                """
                web:run(
                  "ls",
                  {
                    within = "5s",
                  })
                web:revert()
                """) == [2, 7])
    }

    @Test func `a machine stands where it is named`() throws {
        let recipe = try recorded(
            """
            local function lab(name)
              return machine(name) {
                memory = "1M",
              }
            end
            lab "a"
            local b = machine "b"
            b {}
            """)
        #expect(recipe.machines.map { $0.at?.line } == [1, 3, 8])
    }

    @Test(arguments: ["labs/web lab.lua", "/tmp/x.lua", "../a.lua", "é\n.lua", String(repeating: "long/", count: 60)])
    func `a script is called as it was given`(name: String) throws {
        let recipe = try LuaRecorder.record(source: "\n\nrevert()", chunkName: name)
        #expect(recipe.steps.map(\.at) == [SourceLocation(file: name, line: 3)])
        let error = try #require(throws: RecipeScriptError.self) {
            _ = try LuaRecorder.record(source: "\nrevert(1)", chunkName: name)
        }
        #expect(error.location == SourceLocation(file: name, line: 2))
        let slip = try #require(throws: RecipeScriptError.self) {
            _ = try LuaRecorder.record(source: "\n\nrevert(", chunkName: name)
        }
        #expect(slip.location == SourceLocation(file: name, line: 3))
    }
}

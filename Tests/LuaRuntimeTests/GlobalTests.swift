// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import LuaRuntime
import Testing

@Suite struct GlobalTests {
    private func declare(_ lua: LuaContext) throws {
        try lua.setGlobal("checkpoint") { _ in [] }
        try lua.setGlobal("limit", 3)
    }

    @Test func `reading an undeclared global is an error with its line and a suggestion`() throws {
        let error = try failure("local x = 1\ncheckpiont('a')", declare: declare)
        #expect(error.code == .undeclared)
        #expect(error.description == "test.lua:2: global 'checkpiont' is not declared; did you mean 'checkpoint'?")
        #expect(try failure("return qqq").message == "global 'qqq' is not declared")
    }

    @Test func `writing one is an error that says what to write`() throws {
        let variable = try failure("\nname = 'x'")
        #expect(variable.code == .undeclared)
        #expect(variable.description == "test.lua:2: global 'name' is not declared: write 'local name = ...'")
        let function = try failure("function setUp()\nend")
        #expect(function.description == "test.lua:1: global 'setUp' is not declared: write 'local function setUp'")
    }

    @Test func `what the host declared is read and written`() throws {
        let text = try output("print(limit) limit = limit + 1 print(limit, _G.limit)", declare: declare)
        #expect(text == "3\n4\t4")
    }

    @Test func `strictness holds inside functions, load and coroutines, and the environment is a script's own`() throws
    {
        #expect(try failure("local function f() return undeclaredName end f()").code == .undeclared)
        #expect(try failure("load('x = 1')()").code == .undeclared)
        #expect(try failure("coroutine.wrap(function() x = 1 end)()").code == .undeclared)
        #expect(try output("local _ENV = { print = print } x = 1 print(x)") == "1")
    }

    @Test func `the strictness cannot be taken off`() throws {
        let error = try failure("setmetatable(_G, nil)")
        #expect(error.message == "cannot change a protected metatable")
    }

    @Test func `a state without strictness is plain Lua`() throws {
        let lua = try LuaState(strictGlobals: false)
        #expect(try lua.run("function f() return missing end x = 2 return f(), x", name: "t.lua") == [nil, 2])
    }

    @Test func `the nearest name is suggested, a far one is not`() {
        let names = ["run", "revert", "wait_for_console", "checkpoint"]
        #expect(LuaSuggestion.nearest(to: "runn", among: names) == "run")
        #expect(LuaSuggestion.nearest(to: "Revret", among: names) == "revert")
        #expect(LuaSuggestion.nearest(to: "wait_for_consle", among: names) == "wait_for_console")
        #expect(LuaSuggestion.nearest(to: "x", among: names) == nil)
        #expect(LuaSuggestion.nearest(to: "snapshot", among: names) == nil)
        #expect(LuaSuggestion.nearest(to: "", among: names) == nil)
    }
}

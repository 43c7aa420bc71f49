// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import LuaRuntime
import Testing

@Suite struct ScriptTests {
    @Test func `a chunk gets arguments and returns values`() throws {
        let lua = try LuaState()
        let results = try lua.run("local a, b = ... return b, a, #a", name: "t.lua", arguments: ["héllo", 7])
        #expect(results == [7, "héllo", 6])
    }

    @Test func `values keep their types and bytes`() throws {
        let lua = try LuaState()
        let bytes = LuaString(bytes: [0, 255, 10, 0])
        let values: [LuaValue] = [nil, true, false, 0, .integer(.min), .number(.infinity), 0.5, .string(bytes), ""]
        #expect(try lua.run("return ...", name: "t.lua", arguments: values) == values)
        #expect(try lua.run("return 1, 1.0, 1 << 63", name: "t.lua") == [1, 1.0, .integer(.min)])
    }

    @Test func `print goes to the host, by line, through tostring`() throws {
        let text = try output(
            """
            print("a", 1, 2.0, nil, true)
            print(setmetatable({}, { __tostring = function() return "me" end }))
            print()
            warn("be", "ware")
            """)
        #expect(text == "a\t1\t2.0\tnil\ttrue\nme\n\nwarning: beware")
    }

    @Test func `a shebang and a byte order mark are skipped, and lines keep their numbers`() throws {
        let error = try failure("\u{FEFF}#!/usr/bin/env fermata lua\nerror('x')")
        #expect(error.description == "test.lua:2: x")
    }

    @Test func `coroutines work, and yield across pcall`() throws {
        let text = try output(
            """
            local co = coroutine.wrap(function(a)
                local ok, b = pcall(function() return coroutine.yield(a + 1) end)
                print(ok, b)
                local ok, e = pcall(function() coroutine.yield(a + 2) error("late", 0) end)
                print(ok, e)
                return "done"
            end)
            print(co(1)) print(co("b")) print(co())
            print(coroutine.isyieldable(), select("#", coroutine.running()))
            local dead = coroutine.create(function() end)
            print(coroutine.resume(dead)) print(coroutine.resume(dead)) print(coroutine.status(dead))
            print(coroutine.close(coroutine.create(print)))
            """)
        #expect(
            text == """
                2
                true\tb
                3
                false\tlate
                done
                false\t2
                true
                false\tcannot resume dead coroutine
                dead
                true
                """)
    }

    @Test func `what a library could do to the host is not there`() throws {
        for name in ["os", "io", "debug", "package", "dofile", "loadfile", "require", "loadstring"] {
            #expect(try failure("return \(name)").code == .undeclared)
        }
        #expect(try output("print(string.dump, rawget(_G, 'io'), getmetatable(_G))") == "nil\tnil\tfalse")
    }

    @Test func `load takes text alone, whatever mode is asked for`() throws {
        let text = try output(
            """
            print(load("return 1 + 1")())
            print(load("\\27Lua", "b", "b"))
            print(load("\\27Lua", "b", "bt"))
            local pieces = { "return ", "'piece", "wise'", nil }
            local i = 0
            print(load(function() i = i + 1 return pieces[i] end)())
            print(load("x", "@n.lua"))
            print(load("return x", "n", "t", { x = "env" })())
            """)
        #expect(
            text == """
                2
                nil\tattempt to load a text chunk (mode is 'b')
                nil\tattempt to load a binary chunk (mode is 't')
                piecewise
                nil\tn.lua:1: syntax error near <eof>
                env
                """)
    }

    @Test func `a binary chunk is refused`() throws {
        let lua = try LuaState()
        do throws(LuaError) {
            _ = try lua.context.load([0x1B, 0x4C, 0x75, 0x61, 0x54, 0], name: "evil.luac")
            Issue.record("it was read")
        } catch {
            #expect(error.code == .syntax)
            #expect(error.message.contains("binary chunk"))
        }
    }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataLua
import FermataModel
import Testing

/// Each mistake is one line with its place, and what was recorded of it is nothing.
@Suite struct MistakeTests {
    @Test(arguments: Mistake.definitions) func `a wrong definition is one sentence`(wrong: Mistake) throws {
        let error = try mistake(wrong.script)
        #expect(error.description == wrong.line)
        #expect([.word, .undeclared].contains(error.code))
        #expect(error.report == wrong.line)
    }

    @Test(arguments: Mistake.steps) func `a wrong step is one sentence`(wrong: Mistake) throws {
        let error = try mistake(wrong.script)
        #expect(error.description == wrong.line)
        #expect([.word, .undeclared].contains(error.code))
        #expect(error.report == wrong.line)
        // What a script catches, it has not said.
        let caught = try recorded("pcall(function() \(wrong.script)\nend)\nweb:revert()")
        #expect(caught.steps.last?.action == .revert("web"))
    }

    @Test(arguments: Mistake.results) func `looking at a result is one sentence`(wrong: Mistake) throws {
        #expect(try mistake(wrong.script).description == wrong.line)
    }

    @Test(arguments: Mistake.lua) func `a mistake in Lua is one sentence`(wrong: Mistake) throws {
        let error = try mistake(wrong.script)
        #expect(error.description == wrong.line)
        #expect([.syntax, .runtime, .undeclared, .module, .word].contains(error.code))
    }

    @Test func `a result that was looked at has its code`() throws {
        #expect(try mistake("print(web:run('x').stdout)").code == .result)
    }

    @Test func `a runtime error has its traceback`() throws {
        let error = try mistake(
            """
            local function inner(t)
              return t.a.b
            end
            local function outer()
              local x = inner({})
              return x
            end
            outer()
            """)
        #expect(error.code == .runtime)
        #expect(
            error.report == """
                lab.lua:3: error: attempt to index a nil value (field 'a')
                traceback, innermost call first:
                    lab.lua:3: in function 'inner'
                    lab.lua:6: in function 'outer'
                    lab.lua:9: in the chunk
                """)
        #expect(error.traceback.map(\.location?.line) == [3, 6, 9])
    }

    @Test func `a wrong step in a function has its traceback`() throws {
        let error = try mistake("local function wipe(m)\n  m:run(5)\nend\nwipe(web)")
        #expect(
            error.report == """
                lab.lua:3: error: bad argument #1 to 'run': expected a command (a string), got 5
                traceback, innermost call first:
                    in the word 'run'
                    lab.lua:3: in function 'wipe'
                    lab.lua:5: in the chunk
                """)
    }

    @Test func `a deep traceback is cut in its middle`() throws {
        let error = try mistake("local function f(n) if n == 0 then web:run(5) end f(n - 1) return 1 end\nf(1000)")
        #expect(error.callsLeftOut > 0)
        #expect(error.report.split(separator: "\n").count < 80)
        #expect(error.report.contains("    ... \(error.callsLeftOut) calls ...\n"))
    }

    @Test func `a mistake that is caught and raised again keeps its place and code`() throws {
        let error = try mistake("local ok, e = pcall(web.run, web, 5)\nerror(e, 0)")
        #expect(error.description == "lab.lua:2: error: bad argument #1 to 'run': expected a command (a string), got 5")
        #expect(error.code == .word)
    }

    @Test func `a message of any length and any bytes is a short line`() throws {
        let long = try mistake("error(('x'):rep(1000000))")
        #expect(long.message.count == 2001)
        let wild = try mistake("error('\\27[2J\\0\\r\\n\\xFF')")
        #expect(wild.message == "\\u{1B}[2J\\u{0}\\r\\n\u{FFFD}")
    }

    @Test func `bytes that are no Lua are refused`() throws {
        let lines = try recorded("assert(string.dump == nil and load('\\27Lua') == nil)\nweb:revert()")
        #expect(lines.steps.count == 1)
        let binary = try #require(throws: RecipeScriptError.self) {
            _ = try LuaRecorder.record(source: "\u{1B}Lua", chunkName: "x.lua")
        }
        #expect(binary.code == .syntax)
    }
}

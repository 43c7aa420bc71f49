// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataLua
import FermataModel
import Testing

/// A script over a limit ends in one sentence that names the limit, whatever it catches.
@Suite struct LimitTests {
    private func expectLimit(
        _ script: String, _ limits: LuaRecorder.Limits, line: Int, _ sentence: String,
        at location: Testing.SourceLocation = #_sourceLocation
    ) throws {
        let error = try mistake(script, limits: limits, at: location)
        #expect(error.code == .limit, sourceLocation: location)
        #expect(error.description == "lab.lua:\(line): error: \(sentence)", sourceLocation: location)
    }

    @Test func `an endless loop reaches the limit of instructions`() throws {
        let sentence =
            "the script reached its limit of 1000000 instructions: look for an endless loop, or raise the limit"
        let limits = LuaRecorder.Limits(instructions: 1_000_000)
        try expectLimit("while true do end", limits, line: 2, sentence)
        try expectLimit("while true do\n  pcall(function() while true do end end)\nend", limits, line: 3, sentence)
        try expectLimit("repeat local x = ('a'):rep(1000) until false", limits, line: 2, sentence)
    }

    @Test func `a string of 1 GB reaches the limit of memory`() throws {
        let sentence = "the script reached its memory limit of 256 MiB: use less, or raise the limit"
        try expectLimit("\nlocal s = ('x'):rep(1000000000)", LuaRecorder.Limits(), line: 3, sentence)
        try expectLimit("pcall(string.rep, 'x', 1 << 30)", LuaRecorder.Limits(), line: 2, sentence)
    }

    @Test func `a script that takes too long reaches the limit of time`() throws {
        let limits = LuaRecorder.Limits(instructions: .max, time: .seconds(1))
        let error = try mistake("while true do end", limits: limits)
        #expect(error.code == .limit)
        #expect(error.message.hasPrefix("the script reached its time limit of 1.0 seconds: "))
        #expect(error.location?.line == 2)
    }

    @Test func `time in the words counts too`() throws {
        let limits = LuaRecorder.Limits(instructions: .max, time: .seconds(1))
        let error = try mistake("while true do pcall(web.run, 5) end", limits: limits)
        #expect(error.code == .limit)
        #expect(error.message.hasPrefix("the script reached its time limit of 1.0 seconds: "))
    }

    @Test func `a recipe without end reaches the limit of steps`() throws {
        let sentence =
            "the script reached its limit of 100 steps and machines: look for an endless loop, or raise the limit"
        let limits = LuaRecorder.Limits(instructions: 1_000_000, steps: 100)
        try expectLimit("while true do web:start() end", limits, line: 2, sentence)
        try expectLimit("while true do pcall(revert) end", limits, line: 2, sentence)
        try expectLimit("while true do machine 'x' {} end", limits, line: 2, sentence)
        try expectLimit("while true do machine 'x' end", limits, line: 2, sentence)
        #expect(try recorded("for i = 1, 99 do web:start() end", limits: limits).steps.count == 99)
    }

    @Test func `a recipe of endless text reaches the limit of text`() throws {
        let sentence = "the recipe's texts reached their limit of 1 MiB: write shorter ones, or raise the limit"
        let limits = LuaRecorder.Limits(instructions: 1_000_000, text: 1 << 20)
        let text = "local s = ('x'):rep(100000)"
        try expectLimit("\(text)\nwhile true do web:run(s) end", limits, line: 3, sentence)
        try expectLimit("\(text)\nwhile true do web:run { s, s } end", limits, line: 3, sentence)
        try expectLimit("\(text)\nwhile true do checkpoint(s) end", limits, line: 3, sentence)
        try expectLimit("\(text)\nwhile true do checkpoint('a', { notes = s }) end", limits, line: 3, sentence)
        try expectLimit("\(text)\nwhile true do pcall(apply, s) end", limits, line: 3, sentence)
        try expectLimit("\(text)\nwhile true do web:wait_for_console(s) end", limits, line: 3, sentence)
        try expectLimit("\(text)\nwhile true do machine(s) {} end", limits, line: 3, sentence)
        try expectLimit(
            "\(text)\nwhile true do web:run('a', { expect = { lacks = { s } } }) end", limits, line: 3, sentence)
    }

    @Test func `a script that prints without end reaches the limit of what it may print`() throws {
        let error = try mistake(
            "while true do print 'x' end", limits: LuaRecorder.Limits(instructions: 1_000_000, printed: 1000))
        #expect(error.code == .limit)
        #expect(error.description == "lab.lua:2: error: the script printed more than its limit of 1000 B")
    }

    @Test func `a limit that is reached in a function has a traceback`() throws {
        let report = try mistake(
            "local function forever()\n  while true do end\nend\nforever()",
            limits: LuaRecorder.Limits(instructions: 100_000)
        ).report
        #expect(
            report == """
                lab.lua:3: error: the script reached its limit of 100000 instructions: look for an endless loop, or raise \
                the limit
                traceback, innermost call first:
                    lab.lua:3: in function 'forever'
                    lab.lua:5: in the chunk
                """)
    }

    @Test func `the defaults let a large recipe be`() throws {
        let script = "for i = 1, 10000 do web:checkpoint('c' .. i, { notes = ('n'):rep(100) }) end"
        #expect(try recorded(script).steps.count == 10_000)
    }

    @Test func `a deep recursion and a huge list are refused`() throws {
        let deep = try mistake("local function f() return 1 + f() end\nf()")
        #expect(deep.code == .runtime)
        #expect(deep.message.hasPrefix("stack overflow"))
        let list = "local t = {} for i = 1, 20000 do t[i] = 'x' end\nweb:run(t)"
        #expect(
            try mistake(list).description
                == "lab.lua:3: error: 'run': the list has more than 10000 elements: write fewer")
    }
}

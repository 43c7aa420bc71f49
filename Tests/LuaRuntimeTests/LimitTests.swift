// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import Dispatch
import LuaRuntime
import Synchronization
import Testing

@Suite struct LimitTests {
    private static let few: LuaLimits = LuaLimits(instructions: 200_000, memory: 4 << 20, time: nil)

    /// Scripts that never end by themselves, each past another guard.
    static let endless: [String] = [
        "while true do end",
        "local function f() return f() end f()",
        "while true do pcall(function() while true do end end) end",
        "local function f() while true do pcall(f) end end f()",
        "while true do xpcall(function() while true do end end, function() while true do end end) end",
        "xpcall(function() error('x') end, function() while true do end end)",
        "while true do xpcall(error, function(e) error(e) end) end",
        "coroutine.wrap(function() while true do end end)()",
        "while true do coroutine.resume(coroutine.create(function() while true do end end)) end",
        "while true do coroutine.wrap(function() local x = 1 end)() end",
        "local co = coroutine.wrap(function() while true do coroutine.yield() end end) while true do co() end",
        "local s = ('a'):rep(20000) s:find(('.-'):rep(20) .. 'b')",
        "local s = ('a'):rep(20000) s:gsub(('a*'):rep(20) .. 'b', '')",
        "local s = ('a'):rep(20000) for w in s:gmatch(('a?'):rep(30) .. ('a'):rep(40) .. 'b') do end",
        "local s = ('('):rep(20000) s:gsub('%b()', '')",
        "local t = setmetatable({}, { __index = table.concat }) table.concat(t, '', 1, math.maxinteger)",
        "table.move({}, 1, 1 << 62, 2)",
        "table.insert(setmetatable({}, { __len = function() return 1 << 62 end }), 1, 1)",
        "table.remove(setmetatable({}, { __len = function() return 1 << 62 end }), 1)",
        "local t = {} for i = 1, 1000 do t[i] = i end while true do table.sort(t, function(a, b) return true end) end",
        "local x <close> = setmetatable({}, { __close = function() while true do end end })",
        "local t = setmetatable({}, { __index = function(t, k) while true do end end }) return t.x",
        "string.gsub(('x'):rep(1000), 'x', function() while true do end end)",
        "load(function() return ' ' end)",
        "load('while true do end')()",
        "while true do collectgarbage() end",
        "for _ in (function() return 1 end) do end",
        "local t = {} t[1] = 1 while true do next(t) end",
        "while true do local s = ('x'):rep(100000):upper() end",
        "goto a ::a:: goto a",
    ]

    @Test(arguments: endless)
    func `an endless script ends with its limit`(script: String) throws {
        let error = try failure(script, limits: Self.few)
        #expect(error.code == .instructionLimit, "\(error)")
        #expect(error.location?.line == 1)
        #expect(
            error.message
                == "the script reached its limit of 200000 instructions: look for an endless loop, or raise the limit")
    }

    @Test func `a limit's error has the traceback of where it was reached first`() throws {
        let error = try failure(
            """
            local function spin()
                while true do end
            end
            pcall(function()
                pcall(spin)
            end)
            """, limits: Self.few)
        #expect(error.location == LuaLocation(chunk: "test.lua", line: 2))
        #expect(error.traceback.compactMap { $0.location?.line } == [2, 5, 4])
        #expect(error.report.contains("in library function 'pcall'"))
    }

    static let greedy: [String] = [
        "return string.rep('x', 1 << 30)",
        "return ('x'):rep(1 << 20, ('y'):rep(1 << 12))",
        "local s = 'x' while true do s = s .. s end",
        "local t = {} for i = 1, 1e9 do t[i] = i end",
        "local t = {} while true do t = { t } end",
        "while true do pcall(string.rep, 'x', 1 << 30) end",
        "while true do local ok = xpcall(string.rep, print, 'x', 1 << 30) end",
        "while true do coroutine.resume(coroutine.create(string.rep), 'x', 1 << 30) end",
        "coroutine.wrap(function() string.rep('x', 1 << 30) end)()",
        "local t = {} while true do t[#t + 1] = coroutine.create(print) end",
        "local t = { ('x'):rep(1 << 19) } for i = 2, 64 do t[i] = t[1] end return table.concat(t)",
        "return (('x'):rep(1 << 18):gsub('x', ('y'):rep(1 << 10)))",
        "load(function() return 'x = 1 ' end)",
        "load(function() return ('x'):rep(1 << 30) end)",
        "return string.format('%s%s%s', ('x'):rep(1 << 20), ('x'):rep(1 << 20), ('x'):rep(1 << 20))",
        "return setmetatable({}, { __tostring = function() return ('x'):rep(1 << 30) end }) .. ''",
    ]

    @Test(arguments: greedy)
    func `a greedy script ends with its memory limit, and the host never gave it that much`(script: String) throws {
        let lua = try LuaState(limits: LuaLimits(instructions: nil, memory: 4 << 20, time: nil))
        do throws(LuaError) {
            try lua.run(script, name: "test.lua")
            Issue.record("it ran to its end")
        } catch {
            if script.contains("__tostring") {
                #expect(error.code == .type)
            } else {
                #expect(error.code == .memoryLimit, "\(error)")
                #expect(error.location?.line == 1)
                #expect(error.message == "the script reached its memory limit of 4 MiB: use less, or raise the limit")
            }
        }
        #expect(lua.memoryPeak <= 4 << 20)
    }

    @Test func `deep recursion is an ordinary error`() throws {
        let text = try output(
            """
            local function deep() return 1 + deep() end
            local ok, e = pcall(deep)
            print(ok, e:match("stack overflow"))
            local function nest(n) return pcall(nest, n + 1) end
            print((nest(1)))
            local s = ("("):rep(300) .. "1" .. (")"):rep(300)
            print(load("return " .. s) == nil)
            print(pcall(string.rep, "x", -1))
            """)
        #expect(text == "false\tstack overflow\ntrue\ntrue\ntrue\t")
        let error = try failure("local function deep(n) return 1 + deep(n + 1) end\ndeep(1)")
        #expect(error.code == .runtime)
        #expect(error.message.hasPrefix("stack overflow"))
        #expect(error.framesLeftOut > 1000)
        #expect(error.traceback.count <= 65)
    }

    @Test func `deep nesting of everything that uses the C stack is an error, not a crash`() throws {
        let scripts = [
            "local function f() return coroutine.wrap(f)() end f()",
            "local function f() return string.gsub('x', 'x', f) end f()",
            "local function f() local t = {} table.sort({ 1, 2 }, f) end f()",
            "local t = setmetatable({}, {}) getmetatable(t).__index = function(t, k) return t[k + 1] end return t[1]",
            "local function f() group(f) end f()",
            "local t = {} for i = 1, 1000 do t = setmetatable({}, { __index = t }) end return t.x + 1",
            """
            local function f()
                local co = coroutine.create(function()
                    local x <close> = setmetatable({}, { __close = f })
                    coroutine.yield()
                end)
                coroutine.resume(co)
                assert(coroutine.close(co))
            end
            f()
            """,
            "local function f() local ok, e = pcall(f) error(e, 0) end f()",
            "error(setmetatable({}, { __tostring = function(t) error(t) end }))",
        ]
        for script in scripts {
            let error = try failure(script) { lua in
                try lua.setGlobal("group") { call in try call.function(0).call() }
            }
            #expect([.runtime, .type, .memoryLimit, .instructionLimit].contains(error.code), "\(script): \(error)")
        }
    }

    @Test func `an unlimited state counts, and the count is the same in every run`() throws {
        let counts = try (0..<3).map { _ in
            let lua = try LuaState(limits: .none)
            try lua.run("local t = {} for i = 1, 10000 do t['k' .. i] = i end for k, v in pairs(t) do end", name: "t")
            return lua.instructionsUsed
        }
        #expect(Set(counts).count == 1)
        #expect(counts[0] > 60_000)
    }

    @Test func `each call from outside has the whole budget`() throws {
        let lua = try LuaState(limits: LuaLimits(instructions: 100_000, memory: nil, time: nil))
        let body = "for i = 1, 40000 do end"
        for _ in 0..<5 {
            try lua.run(body, name: "t.lua")
        }
        #expect(throws: LuaError.self) { try lua.run("while true do end", name: "t.lua") }
        try lua.run(body, name: "t.lua")
    }

    @Test func `a host function cannot hide a limit from its script`() throws {
        let error = try failure("guard(function() while true do end end)\nprint('went on')", limits: Self.few) { lua in
            try lua.setGlobal("guard") { call in
                _ = try? call.function(0).call()
                #expect(throws: LuaError.self) { try call.context.makeTable() }
                return ["survived"]
            }
        }
        #expect(error.code == .instructionLimit)
        #expect(error.location?.line == 1)
    }

    @Test func `a time limit ends a script, and time in the host does not count`() throws {
        let limits = LuaLimits(instructions: nil, memory: nil, time: .milliseconds(30))
        let error = try failure("while true do end", limits: limits)
        #expect(error.code == .timeLimit)
        #expect(error.message.hasPrefix("the script reached its time limit of 0.03 seconds"))
        // Long enough for a busy machine to run the little that the script does itself.
        let second = LuaLimits(instructions: nil, memory: nil, time: .seconds(1))
        let text = try output("wait() print('after')", limits: second) { lua in
            try lua.setGlobal("wait") { _ in
                let clock = ContinuousClock()
                let start = clock.now
                while clock.now - start < .milliseconds(1200) {}
                return []
            }
        }
        #expect(text == "after")
        // Each of its calls copies all arguments: few instructions, much work.
        #expect(try failure("local function f(...) return f(1, ...) end f()", limits: limits).code == .timeLimit)
        let nested = try failure("call(function() while true do end end)", limits: limits) { lua in
            try lua.setGlobal("call") { call in try call.function(0).call() }
        }
        #expect(nested.code == .timeLimit)
    }

    @Test(arguments: ["while true do pcall(print) end", "local s = ('a'):rep(20000) s:find(('.-'):rep(20) .. 'b')"])
    func `another thread cancels a running script`(script: String) throws {
        let cancellation = LuaCancellation()
        let running = DispatchSemaphore(value: 0)
        let thread = DispatchQueue(label: "canceller")
        thread.async {
            running.wait()
            cancellation.cancel()
        }
        let lua = try LuaState(limits: .none, cancellation: cancellation)
        try lua.context.setGlobal("started") { _ in
            running.signal()
            return []
        }
        do throws(LuaError) {
            try lua.run("started() \(script)", name: "t.lua")
            Issue.record("it ended")
        } catch {
            #expect(error.code == .cancelled)
        }
        #expect(throws: LuaError.self) { try lua.run("for i = 1, 1000 do end", name: "t.lua") }
        cancellation.reset()
        try lua.run("for i = 1, 1000 do end", name: "t.lua")
    }

    @Test func `a script cannot pretend that a limit was reached`() throws {
        #expect(try output("print(pcall(error, 'not enough memory'))") == "false\tnot enough memory")
        #expect(try failure("error('not enough memory', 0)").code == .runtime)
    }

    @Test func `finalizers are refused, and say what to use`() throws {
        let error = try failure("setmetatable({}, { __gc = function() while true do end end })")
        #expect(error.message == "finalizers (__gc) are not available to scripts; use a local with <close>")
        // Added later, it is never called.
        let text = try output(
            "local m = {} local t = setmetatable({}, m) m.__gc = function() print('ran') end t = nil collectgarbage()")
        #expect(text == "")
    }
}

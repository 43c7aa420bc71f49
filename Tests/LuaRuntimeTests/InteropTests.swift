// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import LuaRuntime
import Testing

private let interpreter = "/usr/bin/lua5.4"

/// Runs the same scripts here and in the `lua5.4` command.
@Suite(
    .enabled(
        if: FileManager.default.isExecutableFile(atPath: interpreter), "needs \(interpreter) (apt package lua5.4)"))
struct InteropTests {
    private func reference(_ source: String, name: String) throws -> String {
        let file = FileManager.default.temporaryDirectory.appending(path: name)
        try Data(source.utf8).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        let process = Process()
        let output = Pipe()
        process.executableURL = URL(filePath: interpreter)
        process.arguments = [name]
        process.currentDirectoryURL = FileManager.default.temporaryDirectory
        process.standardOutput = output
        process.standardError = output
        try process.run()
        let data = try output.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        return String(decoding: data, as: UTF8.self)
    }

    private func compare(_ source: String) throws {
        let name = "fermata-\(UUID().uuidString.prefix(8)).lua"
        let limits = LuaLimits(instructions: nil, memory: 256 << 20, time: nil)
        let ours = try (output(source, name: name, limits: limits) + "\n").split(separator: "\n")
        let theirs = try reference(source, name: name).split(separator: "\n")
        #expect(ours.count == theirs.count)
        let different = zip(ours, theirs).filter { $0 != $1 }
        #expect(different.isEmpty, "\(different.prefix(12).map { "\n\($0)\n\($1)\n" }.joined())")
    }

    /// Plain programs, and what every function says to what it does not expect.
    static let programs: [String] = [
        """
        local function fib(n) if n < 2 then return n end return fib(n - 1) + fib(n - 2) end
        print(fib(20), 7 // 2, -7 // 2, 7 % -3, 2 ^ 10, 1 / 0, -1 / 0, 3 | 4, ~0, "10" + 5, 10 .. 20)
        print(math.maxinteger + 1 == math.mininteger, math.tointeger(3.0), 1e15, 2^53, 0.1, -0.0, 1e100)
        for i = 3, 1, -1 do io = nil print(i) end
        """.replacing(" io = nil", with: ""),
        """
        local Account = {} Account.__index = Account
        function Account.new(b) return setmetatable({ balance = b }, Account) end
        function Account:deposit(v) self.balance = self.balance + v return self end
        Account.__add = function(a, b) return Account.new(a.balance + b.balance) end
        Account.__eq = function(a, b) return a.balance == b.balance end
        Account.__lt = function(a, b) return a.balance < b.balance end
        Account.__le = function(a, b) return a.balance <= b.balance end
        Account.__len = function(a) return a.balance end
        Account.__call = function(a, x) return x, a.balance end
        Account.__concat = function(a, b) return "concat" end
        Account.__tostring = function(a) return "Account(" .. a.balance .. ")" end
        local a, b = Account.new(10), Account.new(20):deposit(5)
        print(a, b, a + b, a == b, a < b, a <= b, #a, a("x"), a .. b, a .. "s", rawlen(a), rawequal(a, a))
        """,
        """
        print(select("#"), select("#", nil, nil), select(-1, 1, 2, 3), select(2, "a", "b", "c"))
        print(tostring(nil), tonumber("0x1p4"), tonumber("  12  "), tonumber("z", 36), tonumber("8", 8), tonumber("1e"))
        print(pcall(error), pcall(error, nil), pcall(error, { 1 } ~= nil), pcall(error, "m", 0), pcall(error, "m", 1))
        print(pcall(assert, false), pcall(assert, nil, "msg"), pcall(assert, 1, 2), pcall(assert))
        print(type(print), pcall(type), rawget({ 5 }, 1), next({}), rawlen("abc"))
        print(pcall(setmetatable, 1, {}), pcall(setmetatable, {}, 1), getmetatable("").__name)
        print(pcall(ipairs), pcall(pairs), pcall(next, {}, 1 ~= 1 and 1 or nil))
        for i, v in ipairs({ 1, 2, nil, 4 }) do print(i, v) end
        print(xpcall(function(...) return ... end, print, 1, 2), pcall(xpcall), pcall(xpcall, print))
        print(xpcall(error, function(m) return "handled " .. tostring(m) end, "x"))
        goto done
        print("skipped")
        ::done::
        """,
        """
        print(("x"):rep(3, "-"), ("x"):rep(0), ("x"):rep(-5), (""):rep(7), ("ab"):rep(2))
        print(("hello"):sub(2, -2), ("hello"):byte(1, -1), ("hello"):len(), ("hello"):upper(), ("olleh"):reverse())
        print(string.format("%d %5d %-5d| %05.1f %g %x %X %o %c %q %s %10.3s|%%", 1, 2, 3, 4.25, 1e20, 255, 255, 8, 65, "a\\nb", "s", "abcdef"))
        print(pcall(string.format, "%d", 1.5), pcall(string.format, "%d", "x"), pcall(string.format, "%y", 1))
        print(pcall(string.format, "%s"), pcall(string.rep), pcall(("x").bad))
        print(string.pack("<i4", 7):byte(1, -1), string.unpack("<i4", "\\7\\0\\0\\0"), string.packsize("<i4i8"))
        print(("a"):find("a", 10), ("a"):find("", 2), ("a"):find("", 3), ("abc"):find("b", -2), ("a.b"):find(".", 1, true))
        print(utf8.char(228, 8364, 128512), utf8.len("äö"), utf8.codepoint("ä", 1), utf8.offset("äö", 2))
        for p, c in utf8.codes("aä") do print(p, c) end
        for c in ("aä"):gmatch(utf8.charpattern) do print(#c) end
        """,
        """
        local t = { 5, 2, 8, 1 }
        table.sort(t) print(table.concat(t, " "))
        table.sort(t, function(a, b) return a > b end) print(table.concat(t, " ", 2, 3))
        table.insert(t, 9) table.insert(t, 1, 0) print(table.concat(t, ","), table.remove(t), table.remove(t, 1), #t)
        print(table.unpack({ 1, 2, 3 }, 2), table.pack(1, nil, 3).n, table.concat({}), table.concat({ 1, 2.5, "x" }))
        print(table.concat(table.move({ 1, 2, 3 }, 2, 3, 1), ","), table.concat(table.move({ 1, 2, 3 }, 1, 3, 2), ","))
        print(pcall(table.insert, { 1 }, 5, 2), pcall(table.insert, {}), pcall(table.insert, {}, 1, 2, 3), pcall(table.insert, nil, 1))
        print(table.remove({}), table.remove({}, 0), pcall(table.concat, { {} }), pcall(table.concat, { 1 }, ",", 1, 3))
        print(pcall(table.sort, { 1, "x" }), pcall(table.sort, { 1, 2 }, 3), pcall(table.move, {}, 1, 2), pcall(table.move, {}, 1, math.maxinteger, 2))
        print(pcall(table.move, {}, -1, math.maxinteger, 2), pcall(table.unpack, {}, 1, 1e8))
        """,
        """
        local log = {}
        local function gen(n) return coroutine.wrap(function() for i = 1, n do coroutine.yield(i) end return "end" end) end
        for v in gen(3) do log[#log + 1] = v if v == "end" then break end end
        print(table.concat(log, " "))
        local co = coroutine.create(function(a, b)
            local c = coroutine.yield(a + b)
            local d, e = coroutine.yield(c * 2)
            return d + e
        end)
        print(coroutine.resume(co, 1, 2)) print(coroutine.status(co)) print(coroutine.resume(co, 10))
        print(coroutine.resume(co, 3, 4)) print(coroutine.status(co)) print(coroutine.resume(co))
        print(coroutine.isyieldable(), pcall(coroutine.resume, 1), pcall(coroutine.create, 1), pcall(coroutine.wrap))
        local failing = coroutine.create(function() local x <close> = setmetatable({}, { __close = function(_, e) print("closing", e) end }) error("boom") end)
        print(coroutine.resume(failing)) print(coroutine.close(failing), coroutine.status(failing))
        local waiting = coroutine.create(function() local x <close> = setmetatable({}, { __close = function() error("in close", 0) end }) coroutine.yield() end)
        coroutine.resume(waiting) print(coroutine.close(waiting))
        print(pcall(coroutine.close, coroutine.running()))
        print(coroutine.resume(coroutine.running()))
        print(select(2, pcall(coroutine.wrap(function() error({}) end))) ~= nil)
        local self self = coroutine.wrap(function() return pcall(self) end) print(self())
        """,
        """
        do local a <close> = setmetatable({}, { __close = function(_, e) print("a", e) end })
           local b <const> = 5 print(b) end
        print(pcall(function() local a <close> = setmetatable({}, { __close = function(_, e) print("closing", e) end }) error("x", 0) end))
        print(pcall(function() local n; n.x = 1 end)) print(pcall(function() return #nil end))
        print(pcall(function() return {} < {} end)) print(pcall(function() return 1 < "x" end))
        print(pcall(function() return {} .. "x" end)) print(pcall(function() return 1 // 0 end))
        print(pcall(function() return 1.5 | 1 end)) print(pcall(function() return "a" | 1 end))
        print(pcall(function() local t = {} t[nil] = 1 end)) print(pcall(function() local t = {} t[0/0] = 1 end))
        print(pcall(function() for i = 1, 10, 0 do end end)) print(pcall(function() for i = "a", 2 do end end))
        print(pcall(function() local t = setmetatable({}, { __index = function(_, k) error("no " .. k, 2) end }) return t.foo end))
        print(load("x ="), load("return 1 +"), load("for"), load("goto nope"), load("'unfinished"), load("x = }"), load("break"))
        print(load("return ...", "n", "t")(4), type(load(function() return nil end)), pcall(load))
        """,
        """
        print(math.floor(-2.5), math.ceil(2.1), math.fmod(7, 3), math.fmod(-7, 3), math.max(1, 5, 3), math.min(2, -1))
        print(math.type(1), math.type(1.0), math.type("1"), math.ult(1, -1), math.abs(-3), math.sqrt(16), math.pi)
        print(pcall(math.floor, "x"), pcall(math.max), pcall(math.random, 0 ~= 0), pcall(math.random, 2, 1), math.huge)
        math.randomseed(42) print(math.random(100), math.random(100), math.random())
        """,
    ]

    @Test(arguments: programs)
    func `a plain program prints what lua5.4 prints`(source: String) throws {
        try compare(source)
    }

    /// Makes random patterns, subjects and replacements, and prints what each function finds or says.
    private func patternProgram(seed: Int) -> String {
        """
        local state = \(seed)
        local function roll(n) state = (state * 6364136223846793005 + 1442695040888963407) return ((state >> 33) % n) + 1 end
        local items = { "a", "b", ".", "%a", "%d", "%s", "%w", "%x", "%u", "%l", "%p", "%c", "%g", "%A", "%W", "%.", "%%",
            "[ab]", "[^a]", "[a-c]", "[%d%s]", "[^%w_]", "[]]", "[^]]", "[a-]", "[%]]", "[%a-z]", "(", ")", "()", "%b()", "%bxy",
            "%f[%w]", "%f[^%w]", "%1", "%2", "^", "$", "-", "*", "+", "?", "[", "]", "%", "%b", "%f", "%f[a", "[a-", "[^", "%0", "é", "\\0" }
        local repeats = { "", "", "", "*", "+", "-", "?" }
        local letters = { "a", "b", "c", "x", "y", "(", ")", " ", "1", "2", ".", "%", "-", "A", "_", "]", "\\n", "\\0", "é" }
        local replacements = { "", "<%0>", "%1", "%2%1", "%%", "%x", "%", "x", { a = "A", b = false, c = 1 }, { a = {} },
            function(...) return select("#", ...) .. tostring((...)) end, function() end, 7 }
        local function text(max) local t = {} for i = 1, roll(max) - 1 do t[i] = letters[roll(#letters)] end return table.concat(t) end
        local function pattern() local t = {} if roll(5) == 1 then t[1] = "^" end
            for i = 1, roll(5) do t[#t + 1] = items[roll(#items)] .. repeats[roll(#repeats)] end
            if roll(5) == 1 then t[#t + 1] = "$" end return table.concat(t) end
        local function show(...) local t = table.pack(...) for i = 1, t.n do t[i] = tostring(t[i]) end print((table.concat(t, "|"):gsub("[%c]", "?"))) end
        for i = 1, 1500 do
            local s, p, from = text(14), pattern(), roll(20) - 6
            show(i, s, p, pcall(string.find, s, p, from))
            show(pcall(string.match, s, p, from))
            show(pcall(string.gsub, s, p, replacements[roll(#replacements)], roll(4) == 1 and roll(4) - 1 or nil))
            show(pcall(function() local t = {} for a, b, c in s:gmatch(p, from) do t[#t + 1] = tostring(a) .. tostring(b) .. tostring(c) if #t > 40 then break end end return table.concat(t, ";") end))
            show(pcall(string.find, s, p, from, true))
        end
        """
    }

    @Test(arguments: [1, 2, 3, 4])
    func `random patterns match, replace and fail as in lua5.4`(seed: Int) throws {
        try compare(patternProgram(seed: seed))
    }

    @Test(arguments: [1, 2, 3])
    func `random operations on lists end as in lua5.4`(seed: Int) throws {
        try compare(
            """
            local state = \(seed)
            local function roll(n) state = (state * 6364136223846793005 + 1442695040888963407) return ((state >> 33) % n) + 1 end
            local t, u = {}, {}
            local function show(...) local r = table.pack(...) for i = 1, r.n do r[i] = r[i] == t and "t" or r[i] == u and "u" or tostring(r[i]) end print(table.concat(r, " ")) end
            local function whole() for i = 1, #t do if t[i] == nil then return false end end return true end
            for i = 1, 3000 do
                local what = roll(8)
                if what <= 3 then show("insert", pcall(table.insert, t, roll(1000)))
                elseif what == 4 then show("insert", pcall(table.insert, t, roll(#t + 3) - 1, roll(1000)))
                elseif what == 5 then local ok, v = pcall(table.remove, t, roll(#t + 3) - 1) show("remove", ok, ok and v)
                elseif what == 6 then show("move", pcall(table.move, t, roll(#t + 1), roll(#t + 1), roll(#t + 4)))
                elseif what == 7 then show("concat", pcall(table.concat, t, ",", roll(#t + 2) - 1, roll(#t + 2) - 1))
                elseif roll(4) == 1 and whole() then show("sort", pcall(table.sort, t, roll(2) == 1 and function(a, b) return a > b end or nil)) end
                if #t > 60 then for j = #t, 1, -1 do t[j] = nil end end
                show(#t, table.unpack(t))
            end
            """)
    }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import LuaRuntime
import Testing

/// Lets every allocation of a whole run fail in turn.
@Suite struct AllocationFailureTests {
    private static let script = """
        local parts = require "parts"
        local t = { parts.make(1), parts.make(2) }
        local s = ("x"):rep(50) .. table.concat({ "a", "b" }, ",")
        s = s:gsub("x", function(c) return c .. "y" end):upper()
        local co = coroutine.wrap(function(a) local b = coroutine.yield(a) error({ code = b }) end)
        co(1)
        local ok, e = pcall(co, 2)
        local ok2, e2 = pcall(fail, "text")
        local ok3, e3 = xpcall(function() local n = nil; return n.x end, function(m) return m .. "!" end)
        for k, v in pairs({ z = 1, y = 2, [t[1]] = 3 }) do t[#t + 1] = tostring(v) .. tostring(k) end
        table.sort(t, function(a, b) return tostring(a) < tostring(b) end)
        group(function(x) return x.name, load("return 1 + 1")() end)
        local c = coroutine.create(function() local x <close> = setmetatable({}, { __close = fail }) coroutine.yield() end)
        coroutine.resume(c)
        coroutine.close(c)
        print(s, ok, ok2, ok3, e3, #t, string.format("%s %5.1f", t[1], 2.5))
        collectgarbage()
        return t, s, e
        """

    private final class Part {
        let member: Census.Member
        init(_ census: Census) { member = Census.Member(census) }
    }

    /// Runs the script and returns its error, how many allocations it asked for, and what it leaked.
    private func run(
        _ fault: AllocationFault, _ census: Census, printed: inout String
    ) -> (error: LuaError?, allocations: Int, leak: Int) {
        var lines: [String] = []
        defer { printed = lines.joined(separator: "\n") }
        do throws(LuaError) {
            let lua = try LuaState(
                print: { lines.append("\($0)") },
                modules: { _ in LuaModule(name: "parts.lua", source: "return { make = function(n) return part(n) end }")
                },
                fault: fault)
            var failure: LuaError?
            do throws(LuaError) {
                let type = LuaUserdataType<Part>("part").field("name", get: { _ in "the name" })
                try lua.context.setGlobal("part") { call in [try call.context.makeUserdata(Part(census), type: type)] }
                try lua.context.setGlobal("fail") { call in throw LuaError(.host, "failed \(call[0])") }
                try lua.context.setGlobal("group") { call in
                    let table = try call.context.makeTable(["name": "n"])
                    return try call.function(0).call([.table(table)])
                }
                let results = try lua.run(Self.script, name: "sweep.lua")
                _ = try results[0].tableValue?.list()
            } catch {
                failure = error
            }
            let allocations = lua.allocations
            return (failure, allocations, lua.closeCountingLeaks())
        } catch {
            return (error, 0, 0)
        }
    }

    @Test func `a run in which any one or every later allocation fails ends with an error or right, and leaks nothing`()
    {
        let census = Census()
        var expected = ""
        let whole = run(.none, census, printed: &expected)
        #expect(whole.error == nil)
        #expect(whole.leak == 0)
        #expect(whole.allocations > 300)
        #expect(expected.contains("XYXY"))
        var printed = ""
        var failures = 0
        for number in 1...Int64(whole.allocations) {
            // Alone, a failure is made good by a collection, or is an error.
            let one = run(AllocationFault(first: number, count: 1), census, printed: &printed)
            #expect(one.leak == 0)
            #expect(one.error == nil || one.error?.code == .memoryLimit, "allocation \(number): \(one.error as Any)")
            #expect(one.error != nil || printed == expected, "allocation \(number)")
            let all = run(AllocationFault(first: number, count: -1), census, printed: &printed)
            #expect(all.leak == 0)
            // Lua seeds its hashes anew in each state, so that one run allocates a little more or less than another.
            let isMissed = all.error == nil && all.allocations < number
            #expect(isMissed || all.error?.code == .memoryLimit, "from allocation \(number): \(all.error as Any)")
            failures += all.error == nil ? 0 : 1
        }
        #expect(failures > whole.allocations * 9 / 10)
        #expect(census.alive == 0)
        #expect(census.ended > 0)
    }

    @Test func `a state that fits into no memory is an error`() {
        for bytes in [1, 1000, 5000, 10_000, 15_000] {
            do throws(LuaError) {
                _ = try LuaState(limits: LuaLimits(memory: bytes))
                Issue.record("it fits into \(bytes) bytes")
            } catch {
                #expect(error.code == .memoryLimit)
            }
        }
    }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import LuaRuntime
import Testing

@Suite struct OrderTests {
    private let script = """
        local t, f, g, h = {}, function() end, {}, coroutine.create(print)
        t[h] = "thread" t.zeta = 1 t[g] = "second table" t.alpha = 2 t[3] = "three" t[1] = "one" t[2.5] = "half"
        t[true] = "yes" t[false] = "no" t[-1] = "minus" t[f] = "function" t[1 << 62] = "big" t[1e300] = "huge"
        t[print] = "print" t[""] = "empty" t.alphabet = 3
        """

    @Test func `pairs and next walk in the documented order`() throws {
        let expected = """
            minus one half three big huge empty 2 3 1 no yes function second\u{20}table thread print
            """
        let walked = try output(
            script + " local o = {} for _, v in pairs(t) do o[#o + 1] = v end print(table.concat(o, ' '))")
        #expect(walked == expected)
        let stepped = try output(
            script + " local o = {} for _, v in next, t do o[#o + 1] = v end print(table.concat(o, ' '))")
        #expect(stepped == expected)
    }

    @Test func `the order is the same in every state`() throws {
        let many = """
            local t = {}
            for i = 1, 300 do t["key" .. i * 7919 % 1000] = i t[{}] = i t[i * 1.5] = i end
            local o = {}
            for k, v in pairs(t) do o[#o + 1] = v end
            print(table.concat(o, ","), tostring({}), math.random(1000), math.random())
            """
        let outputs = try (0..<5).map { _ in try output(many) }
        #expect(Set(outputs).count == 1)
    }

    @Test func `fields may be changed and cleared during a walk`() throws {
        let text = try output(
            """
            local t = { a = 1, b = 2, c = 3, d = 4 }
            for k, v in pairs(t) do t[k] = nil if k == "b" then t.c = nil end t.d = 5 io = nil end
            """.replacing(" io = nil", with: " print(k, v)"))
        #expect(text == "a\t1\nb\t2\nd\t5")
        let nested = try output(
            """
            local a, b = { x = 1, y = 2 }, { p = 1, q = 2 }
            for k in next, a do for l in next, b do print(k, l) end end
            print(next({}), next(a), next(a, "x"), next(a, "y"))
            for k, v in pairs(setmetatable({}, { __pairs = function(t) return function(_, k) if not k then return 1, 2 end end, t end })) do print(k, v) end
            """)
        #expect(nested == "x\tp\nx\tq\ny\tp\ny\tq\nnil\tx\ty\tnil\n1\t2")
    }

    @Test func `random is seeded, and seeding from the clock is not`() throws {
        let first = try output("print(math.random(1 << 40)) math.randomseed(7) print(math.random(1 << 40))")
        #expect(
            try output("math.randomseed() print(math.random(1 << 40)) math.randomseed(7) print(math.random(1 << 40))")
                == first)
        let other = try LuaState(randomSeed: 1)
        #expect(try other.run("return math.random(1 << 40)", name: "t") != [LuaValue(first)])
    }

    @Test func `no address is shown`() throws {
        #expect(
            try output("print({}, print, coroutine.create(print))")
                == (try output("print({}, print, coroutine.create(print))")))
        #expect(try output("print(string.format('%s|%5s|%q', {}, 1, 'x'))").hasPrefix("table: 0x0000"))
        #expect(try failure("string.format('%p', {})").message.contains("address"))
    }

    @Test func `sort is stable`() throws {
        let text = try output(
            """
            local t = {}
            for i = 1, 500 do t[i] = { key = i * 7 % 10, place = i } end
            table.sort(t, function(a, b) return a.key < b.key end)
            local last = t[1]
            for i = 2, 500 do
                assert(last.key < t[i].key or (last.key == t[i].key and last.place < t[i].place))
                last = t[i]
            end
            print("stable")
            """)
        #expect(text == "stable")
    }
}

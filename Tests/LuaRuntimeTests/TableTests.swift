// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import LuaRuntime
import Testing

@Suite struct TableTests {
    @Test func `tables are made and read by the host`() throws {
        let lua = try LuaState()
        let table = try lua.context.makeTable(["b": 2, "a": "x"])
        try table.set(1, true)
        #expect(try table.get("b") == 2)
        #expect(try table.get("missing") == nil)
        #expect(try table.keys() == [1, "a", "b"])
        #expect(try table.pairs().map(\.value) == [true, "x", 2])
        let list = try lua.context.makeTable(list: [1, "two", nil, 4])
        #expect(try list.list() == [1, "two"])
        #expect(
            try lua.run("return #... ", name: "t.lua", arguments: [.table(try lua.context.makeTable(list: [1, 2]))])
                == [2])
        let back = try lua.run("local t = ... t.c = { 1, 2 } return t, t.c", name: "t.lua", arguments: [.table(table)])
        #expect(back[0] == .table(table))
        #expect(try table.get("c") == back[1])
    }

    @Test func `metamethods answer get and set, and their errors come back`() throws {
        let lua = try LuaState()
        let results = try lua.run(
            "return setmetatable({}, { __index = function(t, k) return k .. '!' end, __newindex = function() error('ro') end })",
            name: "t.lua")
        let table = try #require(results[0].tableValue)
        #expect(try table.get("x") == "x!")
        #expect(try table.rawGet("x") == nil)
        do throws(LuaError) {
            try table.set("x", 1)
            Issue.record("it was set")
        } catch {
            #expect(error.description == "t.lua:1: ro")
        }
        try table.rawSet("x", 1)
        #expect(try table.get("x") == 1)
    }

    @Test func `no key nil or nan is an error`() throws {
        let lua = try LuaState()
        let table = try lua.context.makeTable()
        #expect(throws: LuaError.self) { try table.set(nil, 1) }
        #expect(throws: LuaError.self) { try table.rawSet(.number(.nan), 1) }
        #expect(try table.get(nil) == nil)
    }

    @Test func `references dropped by the host are let go of`() throws {
        let lua = try LuaState(limits: .none)
        for _ in 0..<3 {
            let table = try lua.context.makeTable(list: 100_000)
            try table.rawSet(1, 1)
        }
        try lua.context.collectGarbage()
        #expect(lua.memoryInUse < 1_000_000)
    }

    @Test func `random values survive the way there and back`() throws {
        for seed in UInt64(1)...20 {
            var dice = Dice(seed: seed)
            let lua = try LuaState()
            func value(_ depth: Int) throws -> LuaValue {
                switch dice.roll(depth > 3 ? 6 : 8) {
                case 0: return nil
                case 1: return .boolean(dice.roll(2) == 0)
                case 2: return .integer(Int64(bitPattern: dice.next()))
                case 3: return .integer(Int64(dice.roll(10)))
                case 4: return .number(Double(bitPattern: dice.next() & 0xBFFF_FFFF_FFFF_FFFF))
                case 5: return .string(LuaString(bytes: (0..<dice.roll(100)).map { _ in UInt8(dice.roll(256)) }))
                default:
                    let table = try lua.context.makeTable()
                    for i in 0..<dice.roll(6) {
                        try table.set(
                            dice.roll(2) == 0 ? .integer(Int64(i) + 1) : LuaValue("k\(i)"), try value(depth + 1))
                    }
                    return .table(table)
                }
            }
            let values = try (0..<50).map { _ in try value(0) }
            let back = try lua.run("return ...", name: "t.lua", arguments: values)
            #expect(back == values, "seed \(seed)")
            for case .table(let table) in values {
                for (key, value) in try table.pairs() {
                    #expect(
                        try lua.run("local t, k = ... return t[k]", name: "t", arguments: [.table(table), key]) == [
                            value
                        ])
                }
            }
        }
    }
}

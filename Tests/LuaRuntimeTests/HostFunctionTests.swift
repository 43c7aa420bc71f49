// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import LuaRuntime
import Testing

private struct Mishap: Error, CustomStringConvertible {
    var description: String { "the machine is on fire" }
}

@Suite struct HostFunctionTests {
    @Test func `a host function gets arguments, gives results and knows its caller's line`() throws {
        var seen: [LuaLocation?] = []
        let text = try output("print(add(1, 2))\nlocal t = {}\n\nprint(pcall(add, 3, 4))", name: "/labs/a.lua") { lua in
            try lua.setGlobal("add") { call in
                seen.append(call.location)
                return [.integer(try call.integer(0) + call.integer(1)), LuaValue(call.name)]
            }
        }
        #expect(text == "3\tadd\ntrue\t7\tadd")
        #expect(seen == [LuaLocation(chunk: "/labs/a.lua", line: 1), LuaLocation(chunk: "/labs/a.lua", line: 4)])
    }

    @Test func `a call from inside a coroutine knows its line`() throws {
        var seen: [LuaLocation?] = []
        _ = try output("local co = coroutine.wrap(function()\n mark()\nend)\nco()\ncoroutine.wrap(mark)()") { lua in
            try lua.setGlobal("mark") { call in
                seen.append(call.location)
                return []
            }
        }
        #expect(seen.map { $0?.line } == [2, 5])
    }

    @Test func `what a host function throws is the script's error, and the underlying one`() throws {
        let error = try failure("local function f()\n  burn()\nend\nf()") { lua in
            try lua.setGlobal("burn") { _ in throw Mishap() }
        }
        #expect(error.code == .host)
        #expect(error.description == "test.lua:2: the machine is on fire")
        #expect(error.underlying is Mishap)
        #expect(
            error.traceback.map(\.description) == [
                "in host function 'burn'", "test.lua:2: in function 'f'", "test.lua:4: in the chunk",
            ])
    }

    @Test func `a script catches it as a string with its position`() throws {
        let text = try output("print(pcall(burn))\nlocal ok, e = pcall(function() burn() end)\nprint(type(e), e)") {
            lua in
            try lua.setGlobal("burn") { _ in throw Mishap() }
        }
        #expect(
            text == """
                false\ttest.lua:1: the machine is on fire
                string\ttest.lua:2: the machine is on fire
                """)
    }

    @Test func `an error that is caught and raised again still has its cause`() throws {
        let error = try failure("local ok, e = pcall(burn)\nerror(e, 0)") { lua in
            try lua.setGlobal("burn") { _ in throw Mishap() }
        }
        #expect(error.underlying is Mishap)
        #expect(error.location?.line == 1)
    }

    @Test func `a thousand caught errors release every host object`() throws {
        let census = Census()
        do {
            let text = try output(
                """
                local caught = 0
                for i = 1, 1000 do
                    local ok, e = pcall(function() local t <const> = { make() } fail(t[1]) end)
                    if not ok and e:find("object " .. i .. " failed") then caught = caught + 1 end
                end
                print(caught)
                """
            ) { lua in
                let type = LuaUserdataType<Census.Member>("member")
                try lua.setGlobal("make") { call in [try call.context.makeUserdata(Census.Member(census), type: type)] }
                var count = 0
                try lua.setGlobal("fail") { call in
                    let member = try call.object(0, as: Census.Member.self, expected: "a member")
                    count += 1
                    return try withExtendedLifetime(member) { () throws(LuaError) -> [LuaValue] in
                        throw LuaError(.host, "object \(count) failed", underlying: Mishap())
                    }
                }
            }
            #expect(text == "1000")
        }
        #expect(census.ended == 1000)
        #expect(census.alive == 0)
    }

    @Test func `objects captured by the errors and functions themselves are released once`() throws {
        final class Carried: Error {
            let member: Census.Member
            init(_ census: Census) { member = Census.Member(census) }
        }
        let census = Census()
        do {
            _ = try output("for i = 1, 1000 do pcall(fail) pcall(make()) end") { lua in
                try lua.setGlobal("fail") { _ in throw Carried(census) }
                try lua.setGlobal("make") { call in
                    let member = Census.Member(census)
                    let function = try call.context.makeFunction("made") { _ in
                        try withExtendedLifetime(member) { () throws -> [LuaValue] in throw Carried(census) }
                    }
                    return [.function(function)]
                }
            }
        }
        #expect(census.ended == 3000)
        #expect(census.alive == 0)
    }

    @Test func `a host function calls functions of the script, and their errors come back through it`() throws {
        let error = try failure("group('g', function()\n  step()\n  local x = nil + 1\nend)") { lua in
            try lua.setGlobal("step") { _ in [] }
            try lua.setGlobal("group") { call in try call.function(1).call() }
        }
        #expect(error.code == .type)
        #expect(error.description == "test.lua:3: attempt to perform arithmetic on a nil value")
        #expect(error.traceback.contains { $0.kind == .host && $0.name == "group" })
    }

    @Test func `a function returned by a host function gives the call syntax of a block`() throws {
        var made: [String] = []
        _ = try output("machine \"web\" { memory = \"256M\", 'x' }") { lua in
            try lua.setGlobal("machine") { call in
                let name = try call.string(0)
                let block = try call.context.makeFunction("machine") { inner in
                    made.append("\(name) \(try inner.table(0).get("memory")) \(try inner.table(0).list())")
                    return []
                }
                return [.function(block)]
            }
        }
        #expect(made == ["web \"256M\" [\"x\"]"])
    }

    @Test func `a wrong argument says which, what and where`() throws {
        let error = try failure("\nstart {}") { lua in
            try lua.setGlobal("start") { call in [LuaValue(try call.string(0))] }
        }
        #expect(error.code == .argument)
        #expect(error.description == "test.lua:2: bad argument #1 to 'start': expected a string, got a table")
        let missing = try failure("start()") { lua in
            try lua.setGlobal("start") { call in [.integer(try call.integer(0))] }
        }
        #expect(missing.message == "bad argument #1 to 'start': expected an integer, got no value")
        let tooMany = try failure("start(1, 2)") { lua in
            try lua.setGlobal("start") { call in
                try call.expect(atMost: 1)
                return []
            }
        }
        #expect(tooMany.message == "'start' takes at most 1 argument, got 2")
    }

    @Test func `values of a closed or of another state throw`() throws {
        var escaped: LuaTable?
        do {
            let lua = try LuaState()
            escaped = try lua.context.makeTable(["a": 1])
        }
        let table = try #require(escaped)
        #expect(throws: LuaError.self) { try table.get("a") }
        let other = try LuaState()
        do throws(LuaError) {
            try other.context.setGlobal("t", .table(table))
            Issue.record("it was taken")
        } catch {
            #expect(error.code == .unusable)
        }
    }

    @Test func `a state that its owner drops in the middle of a call ends after it`() throws {
        final class Owner {
            var lua: LuaState?
            let context: LuaContext
            init() throws {
                let made = try LuaState()
                context = made.context
                lua = consume made
            }
        }
        let owner = try Owner()
        let census = Census()
        let context = owner.context
        let member = LuaUserdataType<Census.Member>("member")
        try context.setGlobal("drop") { call in
            owner.lua = nil
            return [try call.context.makeUserdata(Census.Member(census), type: member)]
        }
        let chunk = try context.load("local x = drop() return type(x)", name: "t.lua")
        #expect(try chunk.call() == ["userdata"])
        #expect(census.ended == 1)
        #expect(throws: LuaError.self) { try chunk.call() }
    }

    @Test func `a coroutine cannot yield through a host function, and says so`() throws {
        let error = try failure("coroutine.wrap(function() group(coroutine.yield) end)()") { lua in
            try lua.setGlobal("group") { call in try call.function(0).call() }
        }
        #expect(error.message.contains("attempt to yield across a C-call boundary"))
    }
}

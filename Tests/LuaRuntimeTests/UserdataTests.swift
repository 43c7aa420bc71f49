// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import LuaRuntime
import Testing

private final class Machine {
    let name: String
    var memory: Int64 = 256
    var ran: [String] = []

    init(_ name: String) {
        self.name = name
    }
}

@Suite struct UserdataTests {
    private let type: LuaUserdataType<Machine> = LuaUserdataType<Machine>("machine")
        .method("run") { machine, call in
            machine.ran.append(try call.string(0))
            return [.integer(Int64(machine.ran.count))]
        }
        .method("start") { machine, call in [LuaValue("\(machine.name) at \(call.location?.line ?? 0)")] }
        .field("name", get: { LuaValue($0.name) })
        .field(
            "memory", get: { .integer($0.memory) },
            set: { machine, value, call in
                guard let size = value.integerValue else { throw call.argumentError(2, expected: "a size") }
                machine.memory = size
            }
        )
        .call { machine, call in [LuaValue(machine.name), try call[0].tableValue?.get("x") ?? .nil] }
        .text { "machine '\($0.name)'" }

    private func declare(_ lua: LuaContext) throws {
        let type = type
        try lua.setGlobal("machine") { call in
            [try call.context.makeUserdata(Machine(try call.string(0)), type: type)]
        }
    }

    @Test func `methods, fields, calls and text work`() throws {
        let text = try output(
            """
            local web = machine "web"
            print(web:run "ls", web:run("ps"), web.name, web.memory)
            web.memory = 512
            print(web.memory, web, web { x = 1 })
            print(web:start())
            print(type(web), getmetatable(web), web == web, web == machine "web")
            """, declare: declare)
        #expect(
            text == """
                1\t2\tweb\t256
                512\tmachine 'web'\tweb\t1
                web at 5
                userdata\tfalse\ttrue\tfalse
                """)
    }

    @Test func `an unknown field is an error with a suggestion`() throws {
        let read = try failure("local web = machine 'web'\nweb:runn('ls')", declare: declare)
        #expect(read.code == .field)
        #expect(read.description == "test.lua:2: no field 'runn' in a machine; did you mean 'run'?")
        let written = try failure("machine('web').memroy = 1", declare: declare)
        #expect(written.message == "no field 'memroy' in a machine; did you mean 'memory'?")
        #expect(
            try failure("machine('web').name = 'x'", declare: declare).message == "'name' of a machine cannot be set")
        #expect(try failure("return machine('web')[1]", declare: declare).message == "a machine has no field 1")
    }

    @Test func `the host may word the hint itself`() throws {
        let error = try failure("thing().snapshot()") { lua in
            let type = LuaUserdataType<Machine>("machine")
                .suggestion { _, field in field == "snapshot" ? "checkpoint" : nil }
            try lua.setGlobal("thing") { call in [try call.context.makeUserdata(Machine("x"), type: type)] }
        }
        #expect(error.message == "no field 'snapshot' in a machine; did you mean 'checkpoint'?")
    }

    @Test func `a method called with a dot says to write a colon`() throws {
        let error = try failure("local web = machine 'web'\nweb.run('ls')", declare: declare)
        #expect(error.code == .argument)
        #expect(
            error.description
                == "test.lua:2: 'run' got a string in place of its machine: write ':' before 'run', not '.'")
        #expect(try failure("machine('web').run()", declare: declare).code == .argument)
    }

    @Test func `wrong arguments of a method are counted without the object`() throws {
        let error = try failure("machine('web'):run({})", declare: declare)
        #expect(error.message == "bad argument #1 to 'run': expected a string, got a table")
        let object = try failure("machine('web'):run(machine 'db')", declare: declare)
        #expect(object.message == "bad argument #1 to 'run': expected a string, got a machine")
    }

    @Test func `an object comes back as itself`() throws {
        let lua = try LuaState()
        let web = Machine("web")
        let value = try lua.context.makeUserdata(web, type: type)
        let back = try lua.run("return ...", name: "t.lua", arguments: [value, value])
        #expect(back[0].object(as: Machine.self) === web)
        #expect(back[0] == back[1])
        #expect(back[0] == value)
        #expect(back[0].object(as: Census.self) == nil)
    }

    @Test func `the metatable is out of reach`() throws {
        #expect(try output("print(getmetatable(machine 'x'))", declare: declare) == "false")
        #expect(try failure("setmetatable(machine 'x', {})", declare: declare).code == .argument)
        #expect(try failure("machine('x').__gc()", declare: declare).code == .field)
    }

    @Test func `an object that uses the state in its last moment gets an error`() throws {
        final class Nosy {
            var lua: LuaContext?
            var seen: LuaError.Code?
            let report: (LuaError.Code?) -> Void
            init(_ lua: LuaContext, _ report: @escaping (LuaError.Code?) -> Void) {
                self.lua = lua
                self.report = report
            }
            deinit {
                do throws(LuaError) {
                    _ = try lua?.makeTable()
                    report(nil)
                } catch {
                    report(error.code)
                }
            }
        }
        var codes: [LuaError.Code?] = []
        let text = try output("make() make() collectgarbage() print('on')") { lua in
            let type = LuaUserdataType<Nosy>("nosy")
            try lua.setGlobal("make") { call in
                [try call.context.makeUserdata(Nosy(call.context) { codes.append($0) }, type: type)]
            }
        }
        #expect(text == "on")
        #expect(codes == [.unusable, .unusable])
    }
}

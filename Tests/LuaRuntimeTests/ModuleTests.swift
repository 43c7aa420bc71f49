// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import LuaRuntime
import Testing

@Suite struct ModuleTests {
    private let files: [String: String] = [
        "parts": "local M = {} function M.size() return 7 end return M",
        "disks.system": "local name, path = ... return { name = name, path = path, parts = require('parts') }",
        "broken": "local x =\n\n=",
        "failing": "\nerror('no luck')",
        "a": "return require 'b'",
        "b": "return require 'a'",
        "silent": "local x = 1",
        "leaky": "leak = 1",
    ]

    private func find(_ name: String) -> LuaModule? {
        files[name].map { LuaModule(name: "labs/\(name.replacing(".", with: "/")).lua", source: LuaString($0)) }
    }

    @Test func `a module is found by its name, run once and kept`() throws {
        let text = try output(
            """
            local parts, system = require "parts", require "disks.system"
            print(parts.size(), system.name, system.path, system.parts == parts, require("parts") == parts)
            print(require "silent")
            """, modules: find)
        #expect(text == "7\tdisks.system\tlabs/disks/system.lua\ttrue\ttrue\ntrue")
    }

    @Test func `errors inside a module have its own file and line`() throws {
        let syntax = try failure("\nrequire 'broken'", modules: find)
        #expect(syntax.code == .syntax)
        #expect(syntax.location == LuaLocation(chunk: "labs/broken.lua", line: 3))
        let runtime = try failure("\nrequire 'failing'", modules: find)
        #expect(runtime.description == "labs/failing.lua:2: no luck")
        #expect(runtime.traceback.last?.location == LuaLocation(chunk: "test.lua", line: 2))
        #expect(try failure("require 'leaky'", modules: find).location?.chunk == "labs/leaky.lua")
    }

    @Test(arguments: ["../secret", "/etc/passwd", "..", ".", "", "a..b", ".a", "a/b", "a\\b", "a\0b", "a.", "ä", "a b"])
    func `a name that could lead elsewhere is refused before the host is asked`(name: String) throws {
        var asked = false
        let error = try failure("require(...)") { lua in
            _ = lua
        } modules: { _ in
            asked = true
            return nil
        }
        #expect(error.code == .argument)
        let lua = try LuaState(modules: { _ in
            asked = true
            return nil
        })
        do throws(LuaError) {
            try lua.run("require(...)", name: "t.lua", arguments: [LuaValue(name)])
            Issue.record("it was found")
        } catch {
            #expect(error.code == .module)
        }
        #expect(!asked)
    }

    @Test func `a missing module and one that requires itself are errors with their line`() throws {
        let missing = try failure("\n\nrequire 'nothing'", modules: find)
        #expect(missing.code == .module)
        #expect(missing.description == "test.lua:3: there is no module 'nothing' beside the script")
        let circular = try failure("require 'a'", modules: find)
        #expect(circular.code == .module)
        #expect(circular.message == "module 'a' requires itself: a requires b requires a")
        #expect(circular.location == LuaLocation(chunk: "labs/b.lua", line: 1))
    }
}

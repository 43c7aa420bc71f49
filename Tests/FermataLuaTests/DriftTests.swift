// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataLua
import FermataModel
import Testing

/// The words that Lua knows are those of the vocabulary's table, with its options and no others.
@Suite struct DriftTests {
    private static let keys: Set<String> = Set(
        Vocabulary.steps.flatMap { $0.parameters.compactMap(\.luaKey) } + [
            "of", "file", "line", "name", "command", "text",
        ])

    /// A call that is right but for one option, if one is given.
    private func call(_ word: Word, on receiver: String, _ option: (key: String, value: String)? = nil) -> String {
        let needsValue = word.parameters.contains { $0.label == nil }
        var options = word.parameters.filter { $0.unlessSaid == nil }.compactMap(\.luaKey)
            .filter { $0 != option?.key }.map { "\($0) = \($0 == "size" ? "'1M'" : "'y'")" }
        if let option { options.append("\(option.key) = \(option.value)") }
        return "\(receiver)\(word.lua)(\(needsValue ? "'x', " : ""){ \(options.joined(separator: ", ")) })"
    }

    @Test(arguments: Vocabulary.steps) func `a step takes the options of the table and no others`(word: Word) throws {
        let known = Set(word.parameters.compactMap(\.luaKey))
        for receiver in word.subject == .machineOrLab ? ["web:", ""] : ["web:"] {
            for key in Self.keys.sorted() {
                // A function is no value of any option, so that a known one is refused for its value.
                let error = try mistake(call(word, on: receiver, (key, "print")))
                let expected = known.contains(key) ? "bad option '\(key)' of" : "unknown option '\(key)' of"
                #expect(error.message.hasPrefix("\(expected) '\(word.lua)'"), "\(error.message)")
            }
        }
    }

    @Test(arguments: Vocabulary.steps) func `a step must be told what the table names by position`(word: Word) throws {
        guard word.parameters.contains(where: { $0.label == nil }) else {
            #expect(try recorded("web:\(word.lua)()").steps.count == 1)
            return
        }
        #expect(try mistake("web:\(word.lua)()").message.hasPrefix("bad argument #1 to '\(word.lua)'"))
    }

    @Test(arguments: Vocabulary.steps) func `a step stands without a machine where the table says so`(word: Word) throws
    {
        let script = call(word, on: "")
        guard word.lua != "type" else {
            // Without a machine it is Lua's own function.
            #expect(try recorded("assert(type('x') == 'string')").steps.isEmpty)
            return
        }
        guard word.subject == .machineOrLab else {
            let sentence = "'\(word.lua)' is a step of one machine: write 'm:\(word.lua)(...)', where m is the machine"
            #expect(try mistake(script).message == sentence)
            return
        }
        let steps = try recorded(script).steps
        #expect(steps.map(\.action.word) == [word.swift])
        #expect(steps.allSatisfy { $0.action.machine == nil })
    }

    @Test func `a machine has the fields of the table`() throws {
        let hardware = Vocabulary.words.filter { $0.subject == .definition && $0.swift != "Machine" }
        let fields = hardware.map { $0.swift == "Disk" ? "disks" : $0.lua }
        let list = fields.map { "'\($0)'" }.joined(separator: ", ")
        let unknown = try mistake("machine 'db' { xxxxxx = 1 }").message
        #expect(unknown == "unknown field 'xxxxxx' of machine 'db': it takes \(list)")
        for field in fields {
            #expect(try mistake("machine 'db' { \(field) = print }").message.hasPrefix("bad field '\(field)' of"))
            #expect(try mistake("print(web.\(field))").message.hasPrefix("'\(field)' of machine 'web' stands in"))
        }
    }

    @Test func `nothing but words and harmless libraries is declared`() throws {
        var lines: [String] = []
        let script = "local t = {} for k in pairs(_G) do t[#t + 1] = k end table.sort(t) print(table.concat(t, ' '))"
        _ = try LuaRecorder.record(source: script, chunkName: "x.lua", print: { lines.append($0) })
        let libraries = """
            _G _VERSION assert collectgarbage coroutine error getmetatable ipairs load math next pairs pcall print rawequal rawget rawlen rawset \
            require select setmetatable string table tonumber tostring type utf8 warn xpcall
            """
        let words = ["machine", "disk", "kernel", "recipe"] + Vocabulary.steps.map(\.lua)
        let expected = libraries.split(separator: " ").map(String.init) + words
        #expect(lines == [Set(expected).sorted().joined(separator: " ")])
    }
}

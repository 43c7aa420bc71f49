// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import StorageTestSupport

/// Writes recipes as Lua, every time in another of the forms that mean the same.
struct LuaPrinter {
    var generator: SeededGenerator

    mutating func print(_ recipe: Recipe) -> String {
        var lines = ["recipe \(text(recipe.name))", "local m = {}"]
        for (index, machine) in recipe.machines.enumerated() {
            lines.append(
                "m[\(index + 1)] = machine\(argument(text(machine.name.description), table(definition(machine))))")
        }
        for step in recipe.steps {
            let line = self.step(step.action, recipe.machines)
            lines.append(coin() ? line : "(function(...) \(line) end)()")
        }
        // A line that begins with a parenthesis would else go on with the one before.
        return lines.joined(separator: ";\n")
    }

    private mutating func coin() -> Bool { Bool.random(using: &generator) }

    // MARK: Definitions

    private mutating func definition(_ machine: MachineDefinition) -> [String] {
        var fields: [String] = []
        if machine.memory != .mebibytes(256) || coin() { fields.append("memory = \(size(machine.memory))") }
        if machine.processors != 1 || coin() { fields.append("processors = \(integer(machine.processors))") }
        if let boot = machine.boot {
            let options = [
                boot.initrd.map { "initrd = \(text($0))" }, boot.arguments.map { "arguments = \(text($0))" },
            ]
            fields.append("boot = kernel\(call(text(boot.kernel), options.compactMap(\.self)))")
        }
        if !machine.disks.isEmpty || coin() {
            let disks = machine.disks.map { "disk\(call(text($0.name), ["size = \(size($0.size))"]))" }
            fields.append("disks = { \(disks.joined(separator: ", ")) }")
        }
        if machine.hasNetwork || coin() { fields.append("network = \(machine.hasNetwork)") }
        if machine.clock != .continue || coin() { fields.append("clock = \"\(machine.clock.rawValue)\"") }
        return fields.shuffled(using: &generator)
    }

    private mutating func argument(_ name: String, _ table: String) -> String {
        coin() ? "(\(name), \(table))" : coin() ? "(\(name))\(table)" : "(\(name))(\(table))"
    }

    // MARK: Steps

    private mutating func step(_ action: Action, _ machines: [MachineDefinition]) -> String {
        let index = machines.firstIndex { $0.name == action.machine }
        let receiver = index.map { "m[\($0 + 1)]:" } ?? ""
        return receiver + Word.snakeCase(action.word) + arguments(action)
    }

    private mutating func arguments(_ action: Action) -> String {
        switch action {
        case .start, .turnOff, .pause, .resume, .save, .reset, .revert: return coin() ? "()" : "{}"
        case .waitForReboot(_, let within):
            let options = self.within(within)
            return options.isEmpty && coin() ? "()" : "(\(table(options)))"
        case .type(_, let typed): return call(text(typed), [])
        case .shutDown(_, let within, let orElse):
            var options = self.within(within)
            if orElse != .fail || coin() { options.append("or_else = \(text(Word.snakeCase(orElse.rawValue)))") }
            return options.isEmpty && coin() ? "()" : "(\(table(options)))"
        case .waitForConsole(_, .plain(let plain), let within): return call(text(plain), self.within(within))
        case .waitForConsole(_, .pattern(let pattern), let within):
            return table(["pattern = \(text(pattern))"] + self.within(within))
        case .run(_, let command, let expect, let within): return run(command, expect, self.within(within))
        case .checkpoint(let name, of: _, let replace, let notes, let kind):
            var options = notes.map { ["notes = \(text($0))"] } ?? []
            if kind != .standard || coin() { options.append("kind = \(text(kind.rawValue))") }
            if replace || coin() { options.append("replace = \(replace)") }
            return call(text(name.description), options)
        case .apply(let name, of: _): return call(text(name.description), [])
        case .deleteCheckpoint(let name, of: _, let scope):
            let isSaid = scope != .checkpoint || coin()
            return call(text(name.description), isSaid ? ["scope = \(text(scope.rawValue))"] : [])
        case .renameCheckpoint(let name, of: _, let new):
            return call(text(name.description), ["to = \(text(new.description))"])
        case .exportCheckpoint(let name, of: _, let place, let flattened, let memory):
            var options = ["to = \(text(place))"]
            if flattened || coin() { options.append("flattened = \(flattened)") }
            if memory || coin() { options.append("memory = \(memory)") }
            return call(text(name.description), options)
        case .fork(let name, of: _, let checkpoint):
            return call(text(name.description), checkpoint.map { ["from = \(text($0.description))"] } ?? [])
        case .change(_, let change): return self.change(change)
        case .attach(_, let disk):
            var options = ["size = \(size(disk.size))"]
            if disk.format != .vhd || coin() { options.append("format = \(text(disk.format.rawValue))") }
            return call(text(disk.name), options)
        case .detach(_, let disk): return call(text(disk), [])
        }
    }

    private mutating func change(_ change: Action.Change) -> String {
        var options: [String] = []
        if let memory = change.memory { options.append("memory = \(size(memory))") }
        if let processors = change.processors { options.append("processors = \(integer(processors))") }
        if let arguments = change.arguments { options.append("arguments = \(text(arguments))") }
        if let notes = change.notes { options.append("notes = \(text(notes))") }
        return options.isEmpty && coin() ? "()" : "(\(table(options.shuffled(using: &generator))))"
    }

    private mutating func run(_ command: Action.Command, _ expect: Expectation, _ within: [String]) -> String {
        let options = (expect == .success && coin() ? [] : ["expect = \(expectation(expect))"]) + within
        switch command {
        case .shell(let line): return "(\(text(line)), \(table(options)))"
        case .arguments(let words):
            let list = words.map { text($0) }
            return coin() ? "(\(table(list)), \(table(options)))" : table(list + options)
        }
    }

    private mutating func expectation(_ expect: Expectation) -> String {
        var fields: [String] = []
        if expect.exitCode != 0 || coin() { fields.append("exit_code = \(integer(expect.exitCode))") }
        for (name, texts) in [("contains", expect.contains), ("lacks", expect.lacks)] {
            if texts.count == 1, coin() {
                fields.append("\(name) = \(text(texts[0]))")
            } else if !texts.isEmpty || coin() {
                fields.append("\(name) = \(table(texts.map { text($0) }))")
            }
        }
        if let equals = expect.equals { fields.append("equals = \(text(equals))") }
        return table(fields)
    }

    private mutating func within(_ span: TimeSpan) -> [String] {
        if span == Action.defaultWithin, coin() { return [] }
        return ["within = \(coin() ? "\"\(span)\"" : "'\(span.milliseconds)ms'")"]
    }

    // MARK: Values

    private mutating func call(_ value: String, _ options: [String]) -> String {
        if options.isEmpty, coin() { return "(\(value))" }
        let shuffled = options.shuffled(using: &generator)
        return coin() ? "(\(value), \(table(shuffled)))" : table([value] + shuffled)
    }

    private mutating func table(_ fields: [String]) -> String {
        "{ \(fields.joined(separator: coin() ? ", " : "; "))\(fields.isEmpty || coin() ? "" : ",") }"
    }

    private mutating func size(_ size: ByteSize) -> String {
        if size.bytes <= UInt64(Int64.max), coin() { return "\(size.bytes)" }
        if coin() { return "'\(size.bytes)'" }
        for (unit, shift) in [("T", 40), ("G", 30), ("M", 20), ("K", 10)] as [(String, UInt64)]
        where size.bytes.isMultiple(of: 1 << shift) {
            return "\"\(size.bytes >> shift)\(unit)\(coin() ? "iB" : "")\""
        }
        return "\"\(size.bytes)\""
    }

    private func integer(_ number: Int) -> String {
        // Lua reads the digits of the smallest integer as those of a float.
        number == .min ? "math.mininteger" : "\(number)"
    }

    /// A literal of a text: with escapes, or between long brackets where they change nothing.
    private mutating func text(_ text: String) -> String {
        let isPlain = text.utf8.allSatisfy { $0 != 0x0D && $0 != 0x5D } && text.utf8.first != 0x0A
        if isPlain, coin() { return "[==[\(text)]==]" }
        let bytes = text.utf8.map { byte in
            switch byte {
            case 0x20..<0x7F where byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "\\"):
                String(UnicodeScalar(byte))
            default: "\\x" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
            }
        }
        return "\"\(bytes.joined())\""
    }
}

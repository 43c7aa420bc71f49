// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import LuaRuntime

/// The words that are steps: what each is called with, as an action.
///
/// It knows nothing of recording or doing them.
enum StepWords {
    /// Reads a call of a word; nil for a word of the vocabulary that is no step.
    static func action(of word: Word, on machine: MachineName?, _ call: LuaCall) throws -> Action? {
        guard let machine else { return try labAction(of: word, call) }
        switch word.swift {
        case "Start": return try plain(.start(machine), call)
        case "TurnOff": return try plain(.turnOff(machine), call)
        case "Pause": return try plain(.pause(machine), call)
        case "Resume": return try plain(.resume(machine), call)
        case "Save": return try plain(.save(machine), call)
        case "Reset": return try plain(.reset(machine), call)
        case "ShutDown": return try shutDown(machine, call)
        case "WaitForReboot":
            var given = try WordCall(call, takesValue: false)
            let within = try given.within()
            try given.options.finish()
            return .waitForReboot(machine, within: within)
        case "Run": return try run(machine, call)
        case "Type":
            let given = try WordCall(call, takesValue: true)
            let text = try given.value.text("a text to type")
            try given.options.finish()
            return .type(machine, text)
        case "WaitForConsole": return try waitForConsole(machine, call)
        case "ExportCheckpoint": return try export(machine, call)
        case "Fork": return try fork(machine, call)
        case "Change": return try change(machine, call)
        case "Attach": return .attach(machine, try HardwareWords.disk(call, spelled: "m:attach"))
        case "Detach":
            let given = try WordCall(call, takesValue: true)
            let disk = try given.value.text("the disk's name")
            try given.options.finish()
            return .detach(machine, disk: disk)
        default: return try momentAction(of: word, on: machine, call)
        }
    }

    private static func labAction(of word: Word, _ call: LuaCall) throws -> Action? {
        guard word.subject == .machineOrLab else {
            throw WordError(
                "'\(word.lua)' is a step of one machine: write 'm:\(word.lua)(...)', where m is the machine")
        }
        return try momentAction(of: word, on: nil, call)
    }

    private static func momentAction(of word: Word, on machine: MachineName?, _ call: LuaCall) throws -> Action? {
        switch word.swift {
        case "Checkpoint":
            var given = try WordCall(call, takesValue: true)
            let name = try checkpointName(given)
            let replace = try given.options.take("replace")?.boolean() ?? false
            let notes = try given.options.take("notes")?.text("notes")
            let kind: Action.CheckpointKind = try given.options.take("kind")?.word() ?? .standard
            try given.options.finish()
            return .checkpoint(name, of: machine, replace: replace, notes: notes, kind: kind)
        case "Revert": return try plain(.revert(machine), call)
        case "Apply":
            let given = try WordCall(call, takesValue: true)
            let name = try checkpointName(given)
            try given.options.finish()
            return .apply(name, of: machine)
        case "DeleteCheckpoint":
            var given = try WordCall(call, takesValue: true)
            let name = try checkpointName(given)
            let scope: Action.DeletionScope = try given.options.take("scope")?.word() ?? .checkpoint
            try given.options.finish()
            return .deleteCheckpoint(name, of: machine, scope)
        case "RenameCheckpoint":
            var given = try WordCall(call, takesValue: true)
            let name = try checkpointName(given)
            guard let new = try given.options.take("to")?.text("a checkpoint's name") else {
                throw WordError("'\(word.lua)' needs the new name: { to = \"name\" }")
            }
            try given.options.finish()
            return .renameCheckpoint(name, of: machine, to: CheckpointName(new))
        default: return nil
        }
    }

    private static func export(_ machine: MachineName, _ call: LuaCall) throws -> Action {
        var given = try WordCall(call, takesValue: true)
        let name = try checkpointName(given)
        guard let place = try given.options.take("to")?.text("a folder's path") else {
            throw WordError("'export_checkpoint' needs the new folder: { to = \"path\" }")
        }
        let flattened = try given.options.take("flattened")?.boolean() ?? false
        let memory = try given.options.take("memory")?.boolean() ?? false
        try given.options.finish()
        return .exportCheckpoint(name, of: machine, to: place, flattened: flattened, memory: memory)
    }

    private static func fork(_ machine: MachineName, _ call: LuaCall) throws -> Action {
        var given = try WordCall(call, takesValue: true)
        let name = MachineName(try given.value.text("the new machine's name"))
        let checkpoint = try given.options.take("from")?.text("a checkpoint's name")
        try given.options.finish()
        return .fork(name, of: machine, from: checkpoint.map { CheckpointName($0) })
    }

    private static func checkpointName(_ given: WordCall) throws -> CheckpointName {
        CheckpointName(try given.value.text("a checkpoint's name"))
    }

    /// The action of a word that is said with nothing else.
    private static func plain(_ action: Action, _ call: LuaCall) throws -> Action {
        try WordCall(call, takesValue: false).options.finish()
        return action
    }

    private static func shutDown(_ machine: MachineName, _ call: LuaCall) throws -> Action {
        var given = try WordCall(call, takesValue: false)
        let within = try given.within()
        var fallback = Action.ShutDownFallback.fail
        if let orElse = given.options.take("or_else") {
            let text = try orElse.text("\"turn_off\" or \"fail\"")
            guard let known = Self.fallbacks[text] else {
                let hint = WordError.hint(for: text, among: Self.fallbacks.keys.sorted())
                throw WordError(
                    "\(orElse.place): expected \"turn_off\" or \"fail\", got \"\(text.shortened(to: 60))\"\(hint)")
            }
            fallback = known
        }
        try given.options.finish()
        return .shutDown(machine, within: within, orElse: fallback)
    }

    private static let fallbacks: [String: Action.ShutDownFallback] = [
        Word.snakeCase(Action.ShutDownFallback.fail.rawValue): .fail,
        Word.snakeCase(Action.ShutDownFallback.turnOff.rawValue): .turnOff,
    ]

    private static func run(_ machine: MachineName, _ call: LuaCall) throws -> Action {
        var given = try WordCall(listTaking: call)
        let command: Action.Command
        if given.positional.tableValue == nil {
            command = .shell(try given.value.text("a command"))
        } else if given.listed.isEmpty {
            throw WordError("'run' needs a command: a line for /bin/sh, or a list of a program and its arguments")
        } else {
            command = .arguments(
                try given.listed.enumerated().map {
                    let place = "bad argument #1 to 'run', element \($0 + 1)"
                    return try Given(value: $1, place: place).text("a program or argument")
                })
        }
        let expect = try given.options.take("expect").map(expectation) ?? .success
        let within = try given.within()
        try given.options.finish()
        return .run(machine, command, expect: expect, within: within)
    }

    private static func expectation(_ given: Given) throws -> Expectation {
        guard let table = given.value.tableValue else {
            throw given.wrong("a table such as { contains = \"ready\" }")
        }
        var fields = try Fields(table, noun: "field", of: "'expect'")
        guard fields.list.isEmpty else {
            throw WordError("\(given.place): expected named fields such as contains = \"ready\", got a list")
        }
        let expect = Expectation(
            exitCode: try fields.take("exit_code")?.integer("an exit code such as 0") ?? 0,
            contains: try fields.take("contains")?.texts("a text") ?? [],
            lacks: try fields.take("lacks")?.texts("a text") ?? [],
            equals: try fields.take("equals")?.text("a text"))
        try fields.finish()
        return expect
    }

    private static func change(_ machine: MachineName, _ call: LuaCall) throws -> Action {
        var given = try WordCall(call, takesValue: false)
        let change = Action.Change(
            memory: try given.options.take("memory")?.size(),
            processors: try given.options.take("processors")?.integer("a whole number such as 2"),
            arguments: try given.options.take("arguments")?.text("the kernel's command line"),
            notes: try given.options.take("notes")?.text("notes"))
        try given.options.finish()
        return .change(machine, change)
    }

    private static func waitForConsole(_ machine: MachineName, _ call: LuaCall) throws -> Action {
        var given = try WordCall(call, takesValue: true)
        let pattern = try given.options.take("pattern")?.text("a pattern")
        let within = try given.within()
        try given.options.finish()
        guard let pattern else {
            return .waitForConsole(machine, .plain(try given.value.text("a text to wait for")), within: within)
        }
        guard given.positional.isNil else {
            throw WordError("'wait_for_console' waits for a text or a pattern, not for both: write one of them")
        }
        return .waitForConsole(machine, .pattern(pattern), within: within)
    }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import LuaRuntime

/// Declares the words of the recipe language in a Lua state; each is recorded when a script says it.
struct RecipeLanguage {
    let recording: Recording
    private let machines: LuaUserdataType<RecordedMachine> = LuaUserdataType("machine")
    private let headings: LuaUserdataType<MachineHeading> = LuaUserdataType("machine without a definition")
    private let kernels: LuaUserdataType<Described<MachineDefinition.Boot>> = LuaUserdataType("kernel")
    private let disks: LuaUserdataType<Described<MachineDefinition.Disk>> = LuaUserdataType("disk")
    private let results: LuaUserdataType<PlannedResult> = LuaUserdataType("planned result")

    init(_ recording: Recording) {
        self.recording = recording
    }

    /// Declares every word.
    func declare(in context: LuaContext) throws(LuaError) {
        for word in Vocabulary.steps { try declare(word, in: context) }
        machines.field("name", get: { LuaValue($0.name.description) })
        for field in HardwareWords.fields {
            machines.field(
                field, get: { throw $0.isDefined(with: field) },
                set: { machine, _, _ in throw machine.isDefined(with: field) })
        }
        machines.text { "machine '\($0.name)'" }
        headings.call { heading, call in [try define(heading, call)] }
        headings.text { throw $0.missingDefinition }
        for field in ["stdout", "stderr", "output", "exit_code", "text"] {
            results.field(field, get: { throw $0.lookedAt })
        }
        results.text { throw $0.lookedAt }
        results.call { result, _ in throw result.lookedAt }

        try context.setGlobal("recipe") { call in
            let given = try WordCall(call, takesValue: true)
            let name = try given.value.text("the recipe's name")
            try given.options.finish()
            try recording.take(name: name, at: call.location.map(SourceLocation.init))
            return []
        }
        try context.setGlobal("kernel") { call in
            [try call.context.makeUserdata(Described(try HardwareWords.kernel(call)), type: kernels)]
        }
        try context.setGlobal("disk") { call in
            [try call.context.makeUserdata(Described(try HardwareWords.disk(call)), type: disks)]
        }
        try context.setGlobal("machine") { call in [try machine(call)] }
    }

    private func declare(_ word: Word, in context: LuaContext) throws(LuaError) {
        machines.method(word.lua) { machine, call in
            try record(word, on: machine.name, call)
        }
        headings.method(word.lua) { heading, _ in throw heading.missingDefinition }
        // What Lua itself calls so, such as type, stays Lua's.
        guard try context.global(word.lua).isNil else { return }
        try context.setGlobal(word.lua) { call in try record(word, on: nil, call) }
    }

    private func record(_ word: Word, on machine: MachineName?, _ call: LuaCall) throws -> [LuaValue] {
        guard let action = try StepWords.action(of: word, on: machine, call) else {
            throw WordError("'\(word.lua)' cannot be said in Lua", code: .unusable)
        }
        try recording.take(Step(action, at: call.location.map(SourceLocation.init)))
        if case .fork(let name, let source, _) = action {
            return [try call.context.makeUserdata(RecordedMachine(name, forkOf: source), type: machines)]
        }
        guard word.group == .guest else { return [] }
        return [try call.context.makeUserdata(PlannedResult(of: word.lua), type: results)]
    }

    private func machine(_ call: LuaCall) throws -> LuaValue {
        try call.expect(atMost: 2)
        let name = try Given(value: call[0], place: "bad argument #1 to 'machine'").text("a name")
        let heading = MachineHeading(MachineName(name), at: call.location.map(SourceLocation.init))
        try recording.take(heading: heading)
        if call.count == 2 { return try define(heading, call[1], in: call.context) }
        return try call.context.makeUserdata(heading, type: headings)
    }

    private func define(_ heading: MachineHeading, _ call: LuaCall) throws -> LuaValue {
        try call.expect(atMost: 1)
        return try define(heading, call[0], in: call.context)
    }

    private func define(_ heading: MachineHeading, _ value: LuaValue, in context: LuaContext) throws -> LuaValue {
        guard !heading.isDefined else {
            throw WordError(
                "machine '\(heading.name.description.shortened(to: 100))' is defined already: "
                    + "give another its own name")
        }
        try recording.take(try HardwareWords.machine(heading.name, at: heading.location, value))
        heading.isDefined = true
        return try context.makeUserdata(RecordedMachine(heading.name), type: machines)
    }
}

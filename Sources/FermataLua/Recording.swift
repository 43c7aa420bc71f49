// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import LuaRuntime

/// What a script has written so far, within its limits.
///
/// A limit that it reaches ends the script for good: what a script catches, it could repeat for ever.
final class Recording {
    let limits: LuaRecorder.Limits
    let cancellation: LuaCancellation = LuaCancellation()
    /// Why the recording ended the script, once it did.
    private(set) var stop: WordError?
    private(set) var machines: [MachineDefinition] = []
    private(set) var steps: [Step] = []
    private var headings: [MachineHeading] = []
    private var name: (text: String, at: SourceLocation?)?
    private var text: Int = 0
    private var printed: Int = 0

    init(limits: LuaRecorder.Limits) {
        self.limits = limits
    }

    /// Takes the recipe's name, once.
    func take(name text: String, at location: SourceLocation?) throws {
        if let name {
            let place = name.at.map { ", at \($0)" } ?? ""
            throw WordError("the recipe is named '\(name.text.shortened(to: 100))' already\(place)")
        }
        if let problem = CheckpointName(text).problem {
            throw WordError("the recipe's name '\(text.shortened(to: 100))' \(problem)")
        }
        name = (text, location)
    }

    /// Takes a machine's name, whose definition follows.
    func take(heading: MachineHeading) throws {
        try count()
        headings.append(heading)
    }

    /// Takes a machine.
    func take(_ machine: MachineDefinition) throws {
        try charge(machine.textLength)
        machines.append(machine)
    }

    /// Takes a step.
    func take(_ step: Step) throws {
        try count()
        try charge(step.action.textLength)
        steps.append(step)
    }

    /// Counts bytes that the script prints.
    func takePrinted(_ bytes: Int) throws {
        printed += bytes + 1
        guard printed <= limits.printed else {
            throw end("the script printed more than its limit of \(ByteSize(bytes: UInt64(limits.printed)))")
        }
    }

    /// The recipe, once the script has ended; `fallback` is its name unless the script named it.
    func recipe(named fallback: String) throws(RecipeScriptError) -> Recipe {
        if let heading = headings.first(where: { !$0.isDefined }) {
            throw RecipeScriptError(.word, heading.missingDefinition.description, at: heading.location)
        }
        return Recipe(name: name?.text ?? fallback, machines: machines, steps: steps)
    }

    private func count() throws {
        guard headings.count + steps.count < limits.steps else {
            throw end(
                "the script reached its limit of \(limits.steps) steps and machines: look for an endless loop, "
                    + "or raise the limit")
        }
    }

    private func charge(_ bytes: Int) throws {
        text += bytes
        guard text <= limits.text else {
            throw end(
                "the recipe's texts reached their limit of \(ByteSize(bytes: UInt64(limits.text))): "
                    + "write shorter ones, or raise the limit")
        }
    }

    private func end(_ reason: String) -> WordError {
        let error = WordError(reason, code: .limit)
        stop = error
        cancellation.cancel()
        return error
    }
}

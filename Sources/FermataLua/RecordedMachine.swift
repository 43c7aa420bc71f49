// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel

/// A machine of the recipe as scripts hold it.
final class RecordedMachine {
    let name: MachineName
    /// The machine of which it is a fork.
    let source: MachineName?

    init(_ name: MachineName, forkOf source: MachineName? = nil) {
        self.name = name
        self.source = source
    }

    /// Says where a field of the machine is written, and that it is nowhere else.
    func isDefined(with field: String) -> WordError {
        let shown = name.description.shortened(to: 100)
        if let source {
            return WordError(
                "'\(field)' of machine '\(shown)' is that of machine '\(source.description.shortened(to: 100))', of "
                    + "which it is a fork: m:change { ... } gives it others")
        }
        return WordError(
            "'\(field)' of machine '\(shown)' stands in its definition alone: machine \"\(shown)\" { \(field) = ... }")
    }
}

/// `machine "name"`, until the table with its definition follows.
final class MachineHeading {
    let name: MachineName
    let location: SourceLocation?
    var isDefined: Bool = false

    init(_ name: MachineName, at location: SourceLocation?) {
        self.name = name
        self.location = location
    }

    var missingDefinition: WordError {
        let shown = name.description.shortened(to: 100)
        return WordError("machine '\(shown)' has no definition: write machine \"\(shown)\" { memory = \"256M\" }")
    }
}

/// What a step will give when it is done: nothing can be known of it while recording.
final class PlannedResult {
    let word: String

    init(of word: String) {
        self.word = word
    }

    var lookedAt: WordError {
        WordError(
            "the result of '\(word)' is not known while a recipe is recorded: let a step expect it, "
                + "as in m:run(\"cat x\", { expect = { contains = \"ready\" } })", code: .result)
    }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel

/// A command, everything that it says, and the state in which the machine `web` is afterwards.
///
/// Unless it says otherwise, a step is done, prints nothing, and leaves the machine as it was:
/// ```swift
/// CommandStep("vm pause web").leaves(.paused)
/// CommandStep("vm pause web").fails("machine 'web' is paused already")
/// ```
/// What differs from run to run has a name in all texts; see ``Transcript``.
struct CommandStep: Sendable, CustomStringConvertible {
    /// What is printed on standard output.
    enum Output: Sendable {
        case text(String)
        case line(String)
        case json(JSON)
    }

    private(set) var words: [String]
    private(set) var code: Int32 = 0
    private(set) var output: Output = .text("")
    /// All of standard error.
    private(set) var messages = ""
    /// The state afterwards; nil when it is the one before.
    private(set) var state: MachineState?
    /// Whether the machine is gone then.
    private(set) var isRemoval = false
    /// Why it has no place while a run hosts the machine.
    private(set) var reasonNotWhileRun: String?

    /// A command: words without spaces, and then words as they are.
    init(_ line: String, _ words: String...) {
        self.words = line.split(separator: " ").map(String.init) + words
    }

    var description: String { words.joined(separator: " ") }

    /// It prints this text.
    func prints(_ text: String) -> CommandStep {
        changed { $0.output = .text(text) }
    }

    /// It prints this line among others.
    func prints(line: String) -> CommandStep {
        changed { $0.output = .line(line) }
    }

    /// It prints this document, told `--json`.
    func prints(_ format: String, _ members: [String: JSON]) -> CommandStep {
        changed { step in
            step.words.append("--json")
            step.output = .json(.object(members.merging(["format": .string(format), "version": 1]) { $1 }))
        }
    }

    /// It prints what has become of a machine, told `--json`.
    func tells(_ state: MachineState, of machine: String = "web") -> CommandStep {
        let step = prints(
            "fermata-machine-state",
            ["id": .string("<\(machine)>"), "name": .string(machine), "state": .string(state.rawValue)])
        return machine == "web" ? step.leaves(state) : step
    }

    /// The machine is in that state then.
    func leaves(_ state: MachineState) -> CommandStep {
        changed { $0.state = state }
    }

    /// The machine is gone then.
    func removesMachine() -> CommandStep {
        changed { $0.isRemoval = true }
    }

    /// It writes this to standard error, and ends with that code.
    func ends(_ code: Int32, saying messages: String = "") -> CommandStep {
        changed { ($0.code, $0.messages) = (code, messages) }
    }

    /// It fails, and says why in one sentence.
    func fails(_ sentence: String, code: Int32 = 1) -> CommandStep {
        ends(code, saying: "fermata: error: \(sentence)")
    }

    /// It is used wrongly, and says so in one sentence.
    func isWrongUse(_ sentence: String) -> CommandStep {
        fails(sentence, code: 2)
    }

    /// It has no place while a run hosts the machine.
    func notWhileRun(because reason: String) -> CommandStep {
        changed { $0.reasonNotWhileRun = reason }
    }

    private func changed(_ change: (inout CommandStep) -> Void) -> CommandStep {
        var step = self
        change(&step)
        return step
    }
}

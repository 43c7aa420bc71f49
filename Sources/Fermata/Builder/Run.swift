// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// Runs a command in a machine's guest; it must meet the expectation within the time.
public struct Run: Hashable, Sendable, RecipeComponent {
    /// The step.
    public let parts: [RecipePart]

    /// Runs a line of `/bin/sh`.
    public init(
        _ machine: Machine, _ shell: String, expect: Expectation = .success, within: TimeSpan = Action.defaultWithin,
        file: String = #fileID, line: Int = #line
    ) {
        self.init(machine.name, shell, expect: expect, within: within, file: file, line: line)
    }

    /// Runs a line of `/bin/sh` on the machine of a name.
    public init(
        _ machine: MachineName, _ shell: String, expect: Expectation = .success,
        within: TimeSpan = Action.defaultWithin, file: String = #fileID, line: Int = #line
    ) {
        self.init(machine, .shell(shell), expect, within, SourceLocation(file: file, line: line))
    }

    /// Runs a program with its arguments, without a shell.
    public init(
        _ machine: Machine, _ arguments: [String], expect: Expectation = .success,
        within: TimeSpan = Action.defaultWithin, file: String = #fileID, line: Int = #line
    ) {
        self.init(machine.name, arguments, expect: expect, within: within, file: file, line: line)
    }

    /// Runs a program with its arguments, without a shell, on the machine of a name.
    public init(
        _ machine: MachineName, _ arguments: [String], expect: Expectation = .success,
        within: TimeSpan = Action.defaultWithin, file: String = #fileID, line: Int = #line
    ) {
        self.init(machine, .arguments(arguments), expect, within, SourceLocation(file: file, line: line))
    }

    private init(
        _ machine: MachineName, _ command: Action.Command, _ expect: Expectation, _ within: TimeSpan,
        _ at: SourceLocation
    ) {
        parts = [.step(Step(.run(machine, command, expect: expect, within: within), at: at))]
    }
}

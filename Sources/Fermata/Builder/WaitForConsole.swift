// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// Waits for text on a machine's console after the text that was last waited for.
public struct WaitForConsole: Hashable, Sendable, RecipeComponent {
    /// The step.
    public let parts: [RecipePart]

    /// Waits for a text as it stands.
    public init(
        _ machine: Machine, _ text: String, within: TimeSpan = Action.defaultWithin,
        file: String = #fileID, line: Int = #line
    ) {
        self.init(machine.name, text, within: within, file: file, line: line)
    }

    /// Waits for a text as it stands, on the console of the machine of a name.
    public init(
        _ machine: MachineName, _ text: String, within: TimeSpan = Action.defaultWithin,
        file: String = #fileID, line: Int = #line
    ) {
        self.init(machine, .plain(text), within, SourceLocation(file: file, line: line))
    }

    /// Waits for what a regular expression matches.
    public init(
        _ machine: Machine, pattern: String, within: TimeSpan = Action.defaultWithin,
        file: String = #fileID, line: Int = #line
    ) {
        self.init(machine.name, pattern: pattern, within: within, file: file, line: line)
    }

    /// Waits for what a regular expression matches, on the console of the machine of a name.
    public init(
        _ machine: MachineName, pattern: String, within: TimeSpan = Action.defaultWithin,
        file: String = #fileID, line: Int = #line
    ) {
        self.init(machine, .pattern(pattern), within, SourceLocation(file: file, line: line))
    }

    private init(_ machine: MachineName, _ text: Action.ConsoleText, _ within: TimeSpan, _ at: SourceLocation) {
        parts = [.step(Step(.waitForConsole(machine, text, within: within), at: at))]
    }
}

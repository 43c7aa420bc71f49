// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// Asks a machine's guest to power off, and waits for it.
public struct ShutDown: Hashable, Sendable, RecipeComponent {
    /// The step.
    public let parts: [RecipePart]

    /// Shuts a machine down; when the time is over, the step fails unless the machine shall be turned off then.
    public init(
        _ machine: Machine, within: TimeSpan = Action.defaultWithin, orElse: Action.ShutDownFallback = .fail,
        file: String = #fileID, line: Int = #line
    ) {
        self.init(machine.name, within: within, orElse: orElse, file: file, line: line)
    }

    /// Shuts the machine of a name down.
    public init(
        _ machine: MachineName, within: TimeSpan = Action.defaultWithin, orElse: Action.ShutDownFallback = .fail,
        file: String = #fileID, line: Int = #line
    ) {
        let action = Action.shutDown(machine, within: within, orElse: orElse)
        parts = [.step(Step(action, at: SourceLocation(file: file, line: line)))]
    }
}

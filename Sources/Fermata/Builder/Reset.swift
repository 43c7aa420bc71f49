// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// Presses a machine's reset button; a paused machine stays paused.
public struct Reset: Hashable, Sendable, RecipeComponent {
    /// The step.
    public let parts: [RecipePart]

    /// Resets a machine.
    public init(_ machine: Machine, file: String = #fileID, line: Int = #line) {
        self.init(machine.name, file: file, line: line)
    }

    /// Resets the machine of a name.
    public init(_ machine: MachineName, file: String = #fileID, line: Int = #line) {
        parts = [.step(Step(.reset(machine), at: SourceLocation(file: file, line: line)))]
    }
}

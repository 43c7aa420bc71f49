// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// Writes a machine's memory and devices to the lab and switches it off; Start goes on from there.
public struct Save: Hashable, Sendable, RecipeComponent {
    /// The step.
    public let parts: [RecipePart]

    /// Saves a machine that runs or is paused.
    public init(_ machine: Machine, file: String = #fileID, line: Int = #line) {
        self.init(machine.name, file: file, line: line)
    }

    /// Saves the machine of a name.
    public init(_ machine: MachineName, file: String = #fileID, line: Int = #line) {
        parts = [.step(Step(.save(machine), at: SourceLocation(file: file, line: line)))]
    }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// Starts a machine that is off, or lets a saved one go on.
public struct Start: Hashable, Sendable, RecipeComponent {
    /// The step.
    public let parts: [RecipePart]

    /// Starts a machine.
    public init(_ machine: Machine, file: String = #fileID, line: Int = #line) {
        self.init(machine.name, file: file, line: line)
    }

    /// Starts the machine of a name.
    public init(_ machine: MachineName, file: String = #fileID, line: Int = #line) {
        parts = [.step(Step(.start(machine), at: SourceLocation(file: file, line: line)))]
    }
}

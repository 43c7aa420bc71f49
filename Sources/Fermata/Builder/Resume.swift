// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// Lets a paused machine go on.
public struct Resume: Hashable, Sendable, RecipeComponent {
    /// The step.
    public let parts: [RecipePart]

    /// Resumes a machine.
    public init(_ machine: Machine, file: String = #fileID, line: Int = #line) {
        self.init(machine.name, file: file, line: line)
    }

    /// Resumes the machine of a name.
    public init(_ machine: MachineName, file: String = #fileID, line: Int = #line) {
        parts = [.step(Step(.resume(machine), at: SourceLocation(file: file, line: line)))]
    }
}

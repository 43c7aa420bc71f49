// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// Holds a running machine still; its memory is kept, and Resume lets it go on.
public struct Pause: Hashable, Sendable, RecipeComponent {
    /// The step.
    public let parts: [RecipePart]

    /// Pauses a machine.
    public init(_ machine: Machine, file: String = #fileID, line: Int = #line) {
        self.init(machine.name, file: file, line: line)
    }

    /// Pauses the machine of a name.
    public init(_ machine: MachineName, file: String = #fileID, line: Int = #line) {
        parts = [.step(Step(.pause(machine), at: SourceLocation(file: file, line: line)))]
    }
}

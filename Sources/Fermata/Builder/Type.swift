// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// Types a text on a machine's console; a line ends with `\n`.
public struct Type: Hashable, Sendable, RecipeComponent {
    /// The step.
    public let parts: [RecipePart]

    /// Types a text as it stands.
    public init(_ machine: Machine, _ text: String, file: String = #fileID, line: Int = #line) {
        self.init(machine.name, text, file: file, line: line)
    }

    /// Types a text as it stands, on the console of the machine of a name.
    public init(_ machine: MachineName, _ text: String, file: String = #fileID, line: Int = #line) {
        parts = [.step(Step(.type(machine, text), at: SourceLocation(file: file, line: line)))]
    }
}

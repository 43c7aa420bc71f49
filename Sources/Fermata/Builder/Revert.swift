// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// Makes now equal to the checkpoint from which it grew: of one machine, or without one of the whole lab.
public struct Revert: Hashable, Sendable, RecipeComponent {
    /// The step.
    public let parts: [RecipePart]

    /// Reverts the whole lab.
    public init(file: String = #fileID, line: Int = #line) {
        self.init(nil, SourceLocation(file: file, line: line))
    }

    /// Reverts a machine.
    public init(_ machine: Machine, file: String = #fileID, line: Int = #line) {
        self.init(machine.name, SourceLocation(file: file, line: line))
    }

    /// Reverts the machine of a name.
    public init(_ machine: MachineName, file: String = #fileID, line: Int = #line) {
        self.init(machine, SourceLocation(file: file, line: line))
    }

    private init(_ machine: MachineName?, _ at: SourceLocation) {
        parts = [.step(Step(.revert(machine), at: at))]
    }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// Makes now equal to a checkpoint; the next checkpoint branches there.
public struct Apply: Hashable, Sendable, RecipeComponent {
    /// The step.
    public let parts: [RecipePart]

    /// Applies a checkpoint of one machine, or without one of the whole lab.
    public init(_ name: CheckpointName, of machine: Machine? = nil, file: String = #fileID, line: Int = #line) {
        self.init(name, machine?.name, SourceLocation(file: file, line: line))
    }

    /// Applies a checkpoint of the machine of a name.
    public init(_ name: CheckpointName, of machine: MachineName, file: String = #fileID, line: Int = #line) {
        self.init(name, machine, SourceLocation(file: file, line: line))
    }

    private init(_ name: CheckpointName, _ machine: MachineName?, _ at: SourceLocation) {
        parts = [.step(Step(.apply(name, of: machine), at: at))]
    }
}

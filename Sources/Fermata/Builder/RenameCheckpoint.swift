// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// Gives a checkpoint another name.
public struct RenameCheckpoint: Hashable, Sendable, RecipeComponent {
    /// The step.
    public let parts: [RecipePart]

    /// Renames a checkpoint of one machine, or without one of the whole lab.
    public init(
        _ name: CheckpointName, of machine: Machine? = nil, to new: CheckpointName, file: String = #fileID,
        line: Int = #line
    ) {
        self.init(name, machine?.name, new, SourceLocation(file: file, line: line))
    }

    /// Renames a checkpoint of the machine of a name.
    public init(
        _ name: CheckpointName, of machine: MachineName, to new: CheckpointName, file: String = #fileID,
        line: Int = #line
    ) {
        self.init(name, machine, new, SourceLocation(file: file, line: line))
    }

    private init(_ name: CheckpointName, _ machine: MachineName?, _ new: CheckpointName, _ at: SourceLocation) {
        parts = [.step(Step(.renameCheckpoint(name, of: machine, to: new), at: at))]
    }
}

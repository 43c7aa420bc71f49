// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// Forgets a checkpoint, or what grew from it; all others and now stay exactly as they were.
public struct DeleteCheckpoint: Hashable, Sendable, RecipeComponent {
    /// The step.
    public let parts: [RecipePart]

    /// Deletes a checkpoint of one machine, or without one of the whole lab.
    public init(
        _ name: CheckpointName, of machine: Machine? = nil, scope: Action.DeletionScope = .checkpoint,
        file: String = #fileID, line: Int = #line
    ) {
        self.init(name, machine?.name, scope, SourceLocation(file: file, line: line))
    }

    /// Deletes a checkpoint of the machine of a name.
    public init(
        _ name: CheckpointName, of machine: MachineName, scope: Action.DeletionScope = .checkpoint,
        file: String = #fileID, line: Int = #line
    ) {
        self.init(name, machine, scope, SourceLocation(file: file, line: line))
    }

    private init(
        _ name: CheckpointName, _ machine: MachineName?, _ scope: Action.DeletionScope, _ at: SourceLocation
    ) {
        parts = [.step(Step(.deleteCheckpoint(name, of: machine, scope), at: at))]
    }
}

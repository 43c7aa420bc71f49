// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// Makes a new machine that begins at a checkpoint of another, running on from its memory if it has any.
///
/// ```swift
/// Fork("twin", of: web, from: "clean")
/// Run("twin", "cat index.html")
/// ```
/// The steps that follow name it as any machine of the recipe. Its ``name`` is there for a step that is kept in a
/// constant: `let twin = Fork("twin", of: web)`, and then `twin` and `Run(twin.name, "cat index.html")`.
public struct Fork: Hashable, Sendable, RecipeComponent {
    /// The new machine's name.
    public let name: MachineName
    /// The step.
    public let parts: [RecipePart]

    /// Forks a machine at one of its checkpoints; without one at that from which its now grew.
    public init(
        _ name: MachineName, of machine: Machine, from checkpoint: CheckpointName? = nil, file: String = #fileID,
        line: Int = #line
    ) {
        self.init(name, of: machine.name, from: checkpoint, file: file, line: line)
    }

    /// Forks the machine of a name.
    public init(
        _ name: MachineName, of machine: MachineName, from checkpoint: CheckpointName? = nil, file: String = #fileID,
        line: Int = #line
    ) {
        self.name = name
        parts = [
            .step(Step(.fork(name, of: machine, from: checkpoint), at: SourceLocation(file: file, line: line)))
        ]
    }
}

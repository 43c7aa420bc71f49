// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// Holds a moment: of one machine, or without one of the whole lab.
public struct Checkpoint: Hashable, Sendable, RecipeComponent {
    /// The step.
    public let parts: [RecipePart]

    /// Holds this moment under a name that the machine does not have yet, unless it may be replaced.
    ///
    /// - Parameter kind: `.diskOnly` for the disks alone, as a power cut at that moment leaves them.
    public init(
        _ name: CheckpointName, of machine: Machine? = nil, kind: Action.CheckpointKind = .standard,
        replace: Bool = false, notes: String? = nil, file: String = #fileID, line: Int = #line
    ) {
        self.init(name, machine?.name, kind, replace, notes, SourceLocation(file: file, line: line))
    }

    /// Holds this moment of the machine of a name.
    public init(
        _ name: CheckpointName, of machine: MachineName, kind: Action.CheckpointKind = .standard,
        replace: Bool = false, notes: String? = nil, file: String = #fileID, line: Int = #line
    ) {
        self.init(name, machine, kind, replace, notes, SourceLocation(file: file, line: line))
    }

    private init(
        _ name: CheckpointName, _ machine: MachineName?, _ kind: Action.CheckpointKind, _ replace: Bool,
        _ notes: String?, _ at: SourceLocation
    ) {
        parts = [.step(Step(.checkpoint(name, of: machine, replace: replace, notes: notes, kind: kind), at: at))]
    }
}

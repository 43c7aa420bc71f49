// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// Writes a checkpoint to a new folder that needs nothing outside of it; `fermata checkpoint import` makes a machine of it.
public struct ExportCheckpoint: Hashable, Sendable, RecipeComponent {
    /// The step.
    public let parts: [RecipePart]

    /// Exports a checkpoint of a machine.
    ///
    /// - Parameters:
    ///   - place: the folder, outside of the lab, relative to the recipe's; its parent must exist, and it must not.
    ///   - flattened: whether each disk becomes one file; else its chain is copied file by file.
    ///   - memory: whether memory and devices are written, too.
    public init(
        _ name: CheckpointName, of machine: Machine, to place: String, flattened: Bool = false, memory: Bool = false,
        file: String = #fileID, line: Int = #line
    ) {
        self.init(
            name, of: machine.name, to: place, flattened: flattened, memory: memory, file: file, line: line)
    }

    /// Exports a checkpoint of the machine of a name.
    public init(
        _ name: CheckpointName, of machine: MachineName, to place: String, flattened: Bool = false,
        memory: Bool = false, file: String = #fileID, line: Int = #line
    ) {
        parts = [
            .step(
                Step(
                    .exportCheckpoint(name, of: machine, to: place, flattened: flattened, memory: memory),
                    at: SourceLocation(file: file, line: line)))
        ]
    }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

public import FermataModel

/// Takes a disk away from a machine that is off, with what was written to it since the last checkpoint.
public struct Detach: Hashable, Sendable, RecipeComponent {
    /// The step.
    public let parts: [RecipePart]

    /// Detaches a disk.
    public init(_ machine: Machine, _ disk: String, file: String = #fileID, line: Int = #line) {
        self.init(machine.name, disk, file: file, line: line)
    }

    /// Detaches a disk from the machine of a name.
    public init(_ machine: MachineName, _ disk: String, file: String = #fileID, line: Int = #line) {
        parts = [.step(Step(.detach(machine, disk: disk), at: SourceLocation(file: file, line: line)))]
    }
}

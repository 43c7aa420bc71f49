// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

public import FermataModel

/// A checkpoint to be made.
public struct NewCheckpoint: Hashable, Sendable {
    /// Its name.
    public var name: CheckpointName
    /// Its machine.
    public var machine: MachineName
    /// Whether it supersedes the machine's checkpoint of the same name.
    public var replacing: Bool
    /// The author's notes.
    public var notes: String?
    /// The recipe and the machine's digest that it names.
    public var owner: RecipeOwnership
    /// Whether the machine runs then, so that the checkpoint holds memory and devices.
    public var withMemory: Bool

    /// Makes a description.
    public init(
        name: CheckpointName, machine: MachineName, replacing: Bool, notes: String?, owner: RecipeOwnership,
        withMemory: Bool
    ) {
        self.name = name
        self.machine = machine
        self.replacing = replacing
        self.notes = notes
        self.owner = owner
        self.withMemory = withMemory
    }
}

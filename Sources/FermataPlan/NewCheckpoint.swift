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
    /// Whether the checkpoint holds memory and devices: the machine is not off then, and they are not left out.
    public var withMemory: Bool
    /// How much of the machine it is to hold.
    public var kind: Action.CheckpointKind

    /// Makes a description.
    public init(
        name: CheckpointName, machine: MachineName, replacing: Bool, notes: String?, owner: RecipeOwnership,
        withMemory: Bool, kind: Action.CheckpointKind = .standard
    ) {
        self.name = name
        self.machine = machine
        self.replacing = replacing
        self.notes = notes
        self.owner = owner
        self.withMemory = withMemory
        self.kind = kind
    }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

public import FermataModel

/// A machine to be made of a checkpoint of another one.
public struct NewFork: Hashable, Sendable {
    /// Its name.
    public var name: MachineName
    /// The machine of whose checkpoint it is made.
    public var source: MachineName
    /// The checkpoint; nil for the source's origin.
    public var checkpoint: CheckpointName?
    /// The recipe that its configuration names, with the digest of its source.
    public var owner: RecipeOwnership
    /// Whether the checkpoint holds memory and devices, so that the fork runs on from there; else it is off.
    public var withMemory: Bool

    /// Makes a description.
    public init(
        name: MachineName, source: MachineName, checkpoint: CheckpointName?, owner: RecipeOwnership, withMemory: Bool
    ) {
        self.name = name
        self.source = source
        self.checkpoint = checkpoint
        self.owner = owner
        self.withMemory = withMemory
    }
}

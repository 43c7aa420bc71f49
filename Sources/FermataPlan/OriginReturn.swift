// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

public import FermataModel

/// The way back to a machine's origin.
public struct OriginReturn: Hashable, Sendable {
    /// The machine's identity.
    public var machine: GUID
    /// The origin.
    public var origin: GUID
    /// The checkpoints to delete after the origin was applied, leaves first.
    public var deleting: [Doomed]
    /// Whether the machine is saved, and its memory will be lost.
    public var discardsSaved: Bool

    /// Makes a description.
    public init(machine: GUID, origin: GUID, deleting: [Doomed], discardsSaved: Bool = false) {
        self.machine = machine
        self.origin = origin
        self.deleting = deleting
        self.discardsSaved = discardsSaved
    }

    /// A checkpoint to delete.
    public struct Doomed: Hashable, Sendable {
        /// Its identity.
        public var id: GUID
        /// Its name.
        public var name: CheckpointName

        /// Makes a description.
        public init(id: GUID, name: CheckpointName) {
            self.id = id
            self.name = name
        }
    }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// How many processors a machine has.
public struct Processors: Hashable, Sendable, MachineComponent, ChangeComponent {
    /// The processors as a part of a machine.
    public let parts: [MachinePart]
    /// The same as a part of a change.
    public let changes: [ChangePart]

    /// Gives a machine processors, at least one.
    public init(_ count: Int) {
        parts = [.processors(count)]
        changes = [.processors(count)]
    }
}

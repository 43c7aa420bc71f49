// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// How much memory a machine has.
public struct Memory: Hashable, Sendable, MachineComponent, ChangeComponent {
    /// The memory as a part of a machine.
    public let parts: [MachinePart]
    /// The same as a part of a change.
    public let changes: [ChangePart]

    /// Gives a machine memory, a multiple of 1 MiB.
    public init(_ size: ByteSize) {
        parts = [.memory(size)]
        changes = [.memory(size)]
    }
}

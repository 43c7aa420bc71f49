// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// A disk of a machine; the guest finds them in the order in which they are named.
public struct Disk: Hashable, Sendable, MachineComponent {
    /// The disk as a part of a machine.
    public let parts: [MachinePart]

    /// Gives a machine a disk, its size a multiple of 512 bytes.
    public init(_ name: String, _ size: ByteSize, format: MachineDefinition.Disk.Format = .vhd) {
        parts = [.disk(MachineDefinition.Disk(name: name, size: size, format: format))]
    }
}

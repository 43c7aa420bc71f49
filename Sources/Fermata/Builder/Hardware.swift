// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// How much memory a machine has.
public struct Memory: Hashable, Sendable, MachineComponent {
    /// The memory as a part of a machine.
    public let parts: [MachinePart]

    /// Gives a machine memory, a multiple of 1 MiB.
    public init(_ size: ByteSize) {
        parts = [.memory(size)]
    }
}

/// How many processors a machine has.
public struct Processors: Hashable, Sendable, MachineComponent {
    /// The processors as a part of a machine.
    public let parts: [MachinePart]

    /// Gives a machine processors, at least one.
    public init(_ count: Int) {
        parts = [.processors(count)]
    }
}

/// What a machine starts from; without it, its first disk by BIOS.
public struct Boot: Hashable, Sendable, MachineComponent {
    /// The boot files as a part of a machine.
    public let parts: [MachinePart]

    /// Lets a machine start from files: `Boot(.kernel("vmlinuz", initrd: "initrd.gz"))`.
    public init(_ boot: MachineDefinition.Boot) {
        parts = [.boot(boot)]
    }
}

extension MachineDefinition.Boot {
    /// A Linux kernel with its initial RAM disk and its command line; paths are relative to the recipe.
    public static func kernel(
        _ path: String, initrd: String? = nil, arguments: String? = nil
    ) -> MachineDefinition.Boot {
        MachineDefinition.Boot(kernel: path, initrd: initrd, arguments: arguments)
    }
}

/// A disk of a machine; the guest finds them in the order in which they are named.
public struct Disk: Hashable, Sendable, MachineComponent {
    /// The disk as a part of a machine.
    public let parts: [MachinePart]

    /// Gives a machine a disk, its size a multiple of 512 bytes.
    public init(_ name: String, _ size: ByteSize) {
        parts = [.disk(MachineDefinition.Disk(name: name, size: size))]
    }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

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

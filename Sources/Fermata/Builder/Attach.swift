// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

public import FermataModel

/// Gives a machine that is off one more disk, empty, behind those that it has.
public struct Attach: Hashable, Sendable, RecipeComponent {
    /// The step.
    public let parts: [RecipePart]

    /// Attaches a disk, its size a multiple of 512 bytes.
    public init(
        _ machine: Machine, _ disk: String, size: ByteSize, format: MachineDefinition.Disk.Format = .vhd,
        file: String = #fileID, line: Int = #line
    ) {
        self.init(machine.name, disk, size: size, format: format, file: file, line: line)
    }

    /// Attaches a disk to the machine of a name.
    public init(
        _ machine: MachineName, _ disk: String, size: ByteSize, format: MachineDefinition.Disk.Format = .vhd,
        file: String = #fileID, line: Int = #line
    ) {
        let disk = MachineDefinition.Disk(name: disk, size: size, format: format)
        parts = [.step(Step(.attach(machine, disk), at: SourceLocation(file: file, line: line)))]
    }
}

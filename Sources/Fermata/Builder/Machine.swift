// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// A machine of a recipe: a name, and the hardware that a closure names.
///
/// ```swift
/// let web = Machine("web") {
///     Memory(.mebibytes(256))
///     Boot(.kernel("guest/vmlinuz", initrd: "guest/initrd.gz", arguments: "console=ttyS0"))
///     Disk("system", .mebibytes(64))
/// }
/// ```
/// Named in a recipe, it is one of the lab's machines; named in a step, it is the machine that the step is about.
public struct Machine: Hashable, Sendable, RecipeComponent {
    /// The machine as the recipe holds it.
    public let definition: MachineDefinition

    /// Makes a machine; what is left out is 256 MiB of memory, one processor, no boot files, no disks.
    public init(
        _ name: MachineName, file: String = #fileID, line: Int = #line,
        @MachineBuilder _ hardware: () -> [MachinePart] = { [] }
    ) {
        var definition = MachineDefinition(name: name, at: SourceLocation(file: file, line: line))
        for part in hardware() { part.apply(to: &definition) }
        self.definition = definition
    }

    /// The machine's name.
    public var name: MachineName { definition.name }

    /// The definition.
    public var parts: [RecipePart] { [.machine(definition)] }
}

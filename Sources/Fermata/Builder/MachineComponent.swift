// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// Whatever may stand in a machine: memory, processors, boot files, disks, a network card, a clock.
public protocol MachineComponent {
    /// The hardware that it stands for.
    var parts: [MachinePart] { get }
}

/// One piece of a machine's hardware.
public enum MachinePart: Hashable, Sendable, MachineComponent {
    /// How much memory it has; of several the last counts.
    case memory(ByteSize)
    /// How many processors it has; of several the last counts.
    case processors(Int)
    /// What it starts from; of several the last counts.
    case boot(MachineDefinition.Boot)
    /// One more disk.
    case disk(MachineDefinition.Disk)
    /// A network card.
    case network
    /// What its guest's time of day is after a restore; of several the last counts.
    case clock(ClockPolicy)

    /// Itself.
    public var parts: [MachinePart] { [self] }

    func apply(to definition: inout MachineDefinition) {
        switch self {
        case .memory(let size): definition.memory = size
        case .processors(let count): definition.processors = count
        case .boot(let boot): definition.boot = boot
        case .disk(let disk): definition.disks.append(disk)
        case .network: definition.hasNetwork = true
        case .clock(let policy): definition.clock = policy
        }
    }
}

extension Array: MachineComponent where Element: MachineComponent {
    /// The parts of all elements.
    public var parts: [MachinePart] { flatMap(\.parts) }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

public import FermataModel

/// Whatever may stand in a change of a machine that exists: memory, processors.
public protocol ChangeComponent {
    /// What it changes.
    var changes: [ChangePart] { get }
}

/// One piece of hardware that a change gives another size.
public enum ChangePart: Hashable, Sendable, ChangeComponent {
    /// How much memory the machine has from now on; of several the last counts.
    case memory(ByteSize)
    /// How many processors it has from now on; of several the last counts.
    case processors(Int)

    /// Itself.
    public var changes: [ChangePart] { [self] }

    func apply(to change: inout Action.Change) {
        switch self {
        case .memory(let size): change.memory = size
        case .processors(let count): change.processors = count
        }
    }
}

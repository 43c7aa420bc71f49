// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// A network card; without it a machine has none.
///
/// The card is a virtio one. Its address is drawn when the machine is made, and kept. Nothing is connected to it: the
/// guest finds a link that is up, on which nobody else is.
public struct Network: Hashable, Sendable, MachineComponent {
    /// The card as a part of a machine.
    public let parts: [MachinePart]

    /// Gives a machine a network card.
    public init() {
        parts = [.network]
    }
}

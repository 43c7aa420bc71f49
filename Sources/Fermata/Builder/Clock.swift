// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

public import FermataModel

/// What a guest's time of day is after a restore; without the word it goes on from the checkpoint's.
public struct Clock: Hashable, Sendable, MachineComponent {
    /// The clock as a part of a machine.
    public let parts: [MachinePart]

    /// Lets the time go on, or has the guest's agent set it to the host's.
    public init(_ policy: ClockPolicy) {
        parts = [.clock(policy)]
    }
}

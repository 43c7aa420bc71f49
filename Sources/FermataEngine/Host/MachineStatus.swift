// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

public import FermataModel

/// What a machine is doing, and why.
public struct MachineStatus: Hashable, Sendable {
    /// The state.
    public var state: MachineState
    /// Why it is paused or off, the middle of a sentence; nil when it was simply asked for.
    public var reason: String?
    /// The operation under way, such as `a checkpoint`.
    public var activity: String?

    /// Makes a status.
    public init(state: MachineState, reason: String? = nil, activity: String? = nil) {
        self.state = state
        self.reason = reason
        self.activity = activity
    }
}

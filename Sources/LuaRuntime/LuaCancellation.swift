// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Ends a running script from any thread.
public final class LuaCancellation: Sendable {
    private let flag: Atomic<Bool> = Atomic(false)

    /// Makes a cancellation that was not asked for yet.
    public init() {}

    /// Ends the script at its next instruction, and every later one of the same state, until `reset`.
    public func cancel() {
        flag.store(true, ordering: .releasing)
    }

    /// Lets scripts run again.
    public func reset() {
        flag.store(false, ordering: .releasing)
    }

    /// Whether it was asked for.
    public var isCancelled: Bool { flag.load(ordering: .acquiring) }
}

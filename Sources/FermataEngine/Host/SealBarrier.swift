// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import Dispatch
import Synchronization

/// What FLUSHes of new children wait for: their parents' being durable.
final class SealBarrier: Sendable {
    private let group = DispatchGroup()
    private let failure = Mutex<(any Error)?>(nil)

    init() {
        group.enter()
    }

    /// Lets everyone pass, or fails them all; called once.
    func open(_ error: (any Error)?) {
        failure.withLock { $0 = error }
        group.leave()
    }

    /// Waits until the barrier is open.
    @Sendable func wait() throws {
        group.wait()
        if let error = failure.withLock({ $0 }) { throw error }
    }
}

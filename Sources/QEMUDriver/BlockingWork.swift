// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import QMP

/// Work that blocks, away from the threads that Swift's tasks share.
enum BlockingWork {
    /// Runs the work on a thread of its own; without one, on this.
    static func run<Result: Sendable>(_ work: @escaping @Sendable () -> Result) async -> Result {
        await withCheckedContinuation { (continuation: CheckedContinuation<Result, Never>) in
            start { continuation.resume(returning: work()) }
        }
    }

    /// Starts the work on a thread of its own; without one, does it on this.
    static func start(_ work: @escaping @Sendable () -> Void) {
        if BlockingThread(work) == nil { work() }
    }
}

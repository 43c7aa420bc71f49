// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization

/// A thread for work that blocks; it ends when its work returns.
package final class BlockingThread: Sendable {
    private let identifier: Mutex<pthread_t?>

    /// Starts the work; nil when the system gives no more threads.
    package init?(_ work: @escaping @Sendable () -> Void) {
        let box = unsafe Unmanaged.passRetained(Work(work))
        var thread = pthread_t()
        let result = unsafe pthread_create(
            &thread, nil,
            { argument in
                guard let argument = unsafe argument else { return nil }
                let work = unsafe Unmanaged<Work>.fromOpaque(argument).takeRetainedValue()
                work.body()
                return nil
            }, box.toOpaque())
        guard result == 0 else {
            unsafe box.release()
            return nil
        }
        identifier = Mutex(thread)
    }

    /// Waits for the work's end; only the first call waits.
    package func join() {
        let thread = identifier.withLock { slot in
            defer { slot = nil }
            return slot
        }
        if let thread { pthread_join(thread, nil) }
    }

    deinit {
        if let thread = identifier.withLock({ $0 }) { pthread_detach(thread) }
    }

    private final class Work: Sendable {
        let body: @Sendable () -> Void

        init(_ body: @escaping @Sendable () -> Void) {
            self.body = body
        }
    }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import Dispatch
import Foundation
import Synchronization

/// Work on a thread of its own, so that a test can block in two places at once.
final class Background<Value: Sendable>: Sendable {
    private let result = Mutex<Result<Value, any Error>?>(nil)
    private let isDone = DispatchSemaphore(value: 0)

    init(_ body: @escaping @Sendable () throws -> Value) {
        Thread.detachNewThread { [self] in
            let value = Result { try body() }
            result.withLock { $0 = value }
            isDone.signal()
        }
    }

    /// Whether the work is done.
    var hasEnded: Bool {
        result.withLock { $0 != nil }
    }

    /// Waits for the work.
    func value() throws -> Value? {
        isDone.wait()
        isDone.signal()
        return try result.withLock { try $0?.get() }
    }
}

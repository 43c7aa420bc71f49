// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

internal import Dispatch
internal import Synchronization

/// A value behind a lock, for whose changes threads can wait.
///
/// A waiting thread blocks; it belongs on threads of one's own, never in a task.
final class Monitor<Value: Sendable>: Sendable {
    private struct Guarded {
        var value: Value
        var waiters: [DispatchSemaphore] = []

        mutating func wakeAll() {
            for waiter in waiters {
                waiter.signal()
            }
            waiters.removeAll(keepingCapacity: true)
        }
    }

    private let guarded: Mutex<Guarded>

    init(_ value: Value) {
        guarded = Mutex(Guarded(value: value))
    }

    /// Uses the value; wakes nobody, for changes that nobody waits for.
    func withLock<Result: Sendable>(_ body: (inout Value) -> Result) -> Result {
        guarded.withLock { body(&$0.value) }
    }

    /// Changes the value and lets every waiting thread look at it again.
    func change<Result: Sendable>(_ body: (inout Value) -> Result) -> Result {
        guarded.withLock {
            let result = body(&$0.value)
            $0.wakeAll()
            return result
        }
    }

    /// Lets every waiting thread look at the value, and at what else it waits for, again.
    func wakeAll() {
        guarded.withLock { $0.wakeAll() }
    }

    /// Waits until `body` gives a result; it is asked now and after every change.
    ///
    /// What `body` changes when it gives a result is a change that others are woken for.
    /// - Returns: nil when the limit passed first.
    func wait<Result: Sendable>(within limit: Duration? = nil, _ body: (inout Value) -> Result?) -> Result? {
        let deadline = limit.map { ContinuousClock.now.advanced(by: $0) }
        let semaphore = DispatchSemaphore(value: 0)
        while true {
            let result: Result? = guarded.withLock {
                if let result = body(&$0.value) {
                    $0.wakeAll()
                    return result
                }
                $0.waiters.append(semaphore)
                return nil
            }
            if let result {
                return result
            }
            guard let deadline else {
                semaphore.wait()
                continue
            }
            let left = ContinuousClock.now.duration(to: deadline)
            if left <= .zero || semaphore.wait(timeout: .now() + left.timeInterval) == .timedOut {
                return guarded.withLock {
                    $0.waiters.removeAll { $0 === semaphore }
                    let result = body(&$0.value)
                    if result != nil {
                        $0.wakeAll()
                    }
                    return result
                }
            }
        }
    }
}

extension Duration {
    /// The same time for Dispatch; what is too long for it is a very long time.
    fileprivate var timeInterval: DispatchTimeInterval {
        let (seconds, attoseconds) = components
        let nanoseconds = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        guard !nanoseconds.overflow, nanoseconds.partialValue < Int64(Int.max) / 4 else {
            return .seconds(Int(Int32.max))
        }
        return .nanoseconds(Int(nanoseconds.partialValue + attoseconds / 1_000_000_000))
    }
}

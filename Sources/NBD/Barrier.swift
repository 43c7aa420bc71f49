// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

public import BlockStorage
internal import Synchronization

/// Something that must be durable before a FLUSH may be answered: the sync of a sealed parent.
///
/// ```
///             complete()
///  pending ───────────────► complete
///     │                        ▲
///     │ fail(error)            │ complete(), once it was written and synced again
///     └────────────► failed ───┘
/// ```
public final class Barrier: Sendable {
    /// What has become of the barrier.
    public enum State: Hashable, Sendable {
        /// Requests wait.
        case pending
        /// Requests pass.
        case complete
        /// Requests fail.
        case failed(StorageError)
    }

    private struct Guarded {
        var state: State = .pending
        var observers: [@Sendable () -> Void] = []
    }

    private let guarded = Mutex(Guarded())

    /// Makes a barrier that is pending.
    public init() {}

    /// What has become of the barrier.
    public var state: State {
        guarded.withLock { $0.state }
    }

    /// Lets requests pass.
    public func complete() {
        change(to: .complete)
    }

    /// Lets requests fail, until the barrier is complete after all.
    public func fail(_ error: StorageError) {
        change(to: .failed(error))
    }

    /// Calls `body` after each change of the state, until it is complete.
    func observe(_ body: @escaping @Sendable () -> Void) {
        guarded.withLock {
            if $0.state != .complete {
                $0.observers.append(body)
            }
        }
    }

    private func change(to state: State) {
        let observers = guarded.withLock { guarded -> [@Sendable () -> Void] in
            guard guarded.state != .complete else {
                return []
            }
            guarded.state = state
            let observers = guarded.observers
            if state == .complete {
                guarded.observers = []
            }
            return observers
        }
        for observer in observers {
            observer()
        }
    }
}

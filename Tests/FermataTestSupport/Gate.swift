// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

internal import Dispatch
internal import Synchronization

/// A place where threads wait while it is shut.
public final class Gate: Sendable {
    private let state = Mutex(State())

    private struct State {
        var isShut = false
        var hasArrived = false
        var held: [DispatchSemaphore] = []
        var awaiting: [CheckedContinuation<Void, Never>] = []
    }

    /// Makes an open gate.
    public init() {}

    /// Lets nobody through from now on.
    public func shut() {
        state.withLock { $0.isShut = true }
    }

    /// Lets everybody through.
    public func open() {
        let held = state.withLock { state in
            state.isShut = false
            defer { state.held = [] }
            return state.held
        }
        for semaphore in held { semaphore.signal() }
    }

    /// Waits while the gate is shut.
    public func pass() {
        let semaphore = DispatchSemaphore(value: 0)
        let (mustWait, awaiting) = state.withLock { state -> (Bool, [CheckedContinuation<Void, Never>]) in
            guard state.isShut else { return (false, []) }
            state.held.append(semaphore)
            state.hasArrived = true
            defer { state.awaiting = [] }
            return (true, state.awaiting)
        }
        for continuation in awaiting { continuation.resume() }
        if mustWait { semaphore.wait() }
    }

    /// Waits until somebody stands before the gate.
    public func arrival() async {
        await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
            let isThere = state.withLock { state in
                if !state.hasArrived { state.awaiting.append(continuation) }
                return state.hasArrived
            }
            if isThere { continuation.resume() }
        }
    }
}

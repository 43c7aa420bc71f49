// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

internal import BlockStorage

extension Export {
    /// Holds every request that has not entered yet, until the gate is opened as often as it was closed.
    ///
    /// A FLUSH that is answered from memory passes: it touches no device.
    public func closeGate() {
        state.withLock { $0.holds += 1 }
    }

    /// Lets the held requests go on.
    public func openGate() {
        state.change { $0.holds = max(0, $0.holds - 1) }
    }

    /// Waits until no request and no FLUSH is in flight; useful behind a closed gate.
    ///
    /// - Throws: ``NBDError/Code/timedOut`` when the limit passes first.
    public func drain(within limit: Duration? = nil) throws(NBDError) {
        try whenDrained(flushes: true, within: limit) { _ in }
    }

    /// The device for a request that need not wait; the caller must leave.
    func enterAtOnce() -> (any BlockDevice)? {
        state.withLock { $0.enter() }
    }

    /// Waits until a request may enter; the caller must leave.
    ///
    /// - Returns: nil when the connection stops first.
    func enter(unless stop: StopFlag) -> (any BlockDevice)? {
        state.wait { state -> Entry? in
            if let device = state.enter() {
                return Entry(device: device)
            }
            return stop.isSet ? Entry(device: nil) : nil
        }?.device
    }

    /// Ends what ``enterAtOnce()`` or ``enter(unless:)`` began.
    func leave() {
        let isAwaited = state.withLock { state in
            state.requestsInFlight -= 1
            return state.requestsInFlight == 0 && state.drains > 0
        }
        if isAwaited {
            state.wakeAll()
        }
    }

    /// Changes the state at a moment when no request is in flight.
    func whenDrained<Result: Sendable>(
        flushes: Bool, within limit: Duration?, _ body: (inout State) -> Result
    ) throws(NBDError) -> Result {
        state.withLock { $0.drains += 1 }
        let result: Result? = state.wait(within: limit) { state in
            guard state.requestsInFlight == 0, !flushes || state.flushesInFlight == 0 else {
                return nil
            }
            return body(&state)
        }
        state.withLock { $0.drains -= 1 }
        guard let result else {
            throw NBDError(.timedOut, name: "export \"\(name)\"", detail: "requests in flight did not end in time")
        }
        return result
    }
}

private struct Entry: Sendable {
    var device: (any BlockDevice)?
}

extension Export.State {
    fileprivate mutating func enter() -> (any BlockDevice)? {
        guard holds == 0 else {
            return nil
        }
        requestsInFlight += 1
        return device
    }
}

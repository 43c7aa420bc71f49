// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

internal import BlockStorage

extension Export {
    /// How FLUSH is answered now.
    public var flushMode: FlushMode {
        state.withLock { state in
            state.passCompleteBarriers()
            return state.flushMode
        }
    }

    /// How many FLUSHes and syncs of FUA have arrived and are not done.
    package var flushesInFlight: Int {
        state.withLock { $0.flushesInFlight }
    }

    /// How long a FLUSH is held before the device is flushed for it after all.
    ///
    /// Who waits for that FLUSH may be the one who would have the hold end: a machine that resets its disk drains it.
    public static let longestHold: Duration = .seconds(1)

    /// Answers no FLUSH from the next moment on at which none is in flight.
    ///
    /// When one is still in flight after the limit, the hold begins all the same; that FLUSH ends by itself on the
    /// device on which it began. While FLUSHes are held or counted already, nothing changes.
    /// - Returns: whether one was still in flight when the hold began.
    @discardableResult
    public func holdFlushes(waitingUpTo limit: Duration) -> Bool {
        state.withLock { $0.drains += 1 }
        let wasInFlight = state.wait(within: limit) { state in
            state.flushesInFlight == 0 ? state.holdFlushes() : nil
        }
        return state.change { state in
            state.drains -= 1
            return wasInFlight ?? state.holdFlushes()
        }
    }

    /// Answers every FLUSH from memory from now on, those that are held included, and counts them.
    ///
    /// Only once nobody runs who could take it for durable. Nothing changes unless FLUSHes are held.
    public func countFlushes() {
        state.change { state in
            guard case .held(let oneWasInFlight, let owed) = state.flushMode else { return }
            state.flushMode = .counted(FlushCount(oneWasInFlight: oneWasInFlight), owed: owed)
        }
    }

    /// Makes FLUSH durable again, once the barrier and those that are still owed are complete.
    ///
    /// - Parameter barrier: the sync of what the current device grows from; nil when nothing new is owed.
    /// - Returns: what was answered from memory.
    @discardableResult
    public func resumeFlushes(behind barrier: Barrier? = nil) -> FlushCount {
        let count = state.change { state -> FlushCount in
            var barriers: [Barrier] = []
            var count = FlushCount()
            switch state.flushMode {
            case .durable: break
            case .behind(let owed): barriers = owed
            case .held(let oneWasInFlight, let owed):
                (count, barriers) = (FlushCount(oneWasInFlight: oneWasInFlight), owed)
            case .counted(let counted, let owed): (count, barriers) = (counted, owed)
            }
            if let barrier {
                barriers.append(barrier)
            }
            state.flushMode = .behind(barriers)
            state.passCompleteBarriers()
            return count
        }
        barrier?.observe { [state] in state.wakeAll() }
        return count
    }

    /// Takes in a FLUSH whose earlier writes have all been done.
    ///
    /// - Returns: true when it is answered from memory; else ``synchronize(_:unless:)`` must follow.
    func flushArrives() -> Bool {
        state.withLock { state in
            guard !state.countAnswered(1) else {
                return true
            }
            state.flushesInFlight += 1
            return false
        }
    }

    /// Does the FLUSHes that have arrived, all at once.
    ///
    /// - Returns: why they failed; nil when everything that was written before they arrived is durable.
    func synchronize(_ number: Int, unless stop: StopFlag) -> ErrorNumber? {
        let patient = state.wait(within: Self.longestHold) { state -> FlushStep? in
            state.nextFlushStep(of: number, isStopped: stop.isSet)
        }
        let step =
            patient
            ?? state.wait { state -> FlushStep? in
                state.nextFlushStep(of: number, isStopped: stop.isSet, endsHold: true)
            }
        var failure: ErrorNumber?
        switch step {
        case .answer: break
        case .fail(let error): failure = error
        case nil: failure = .shutdown
        case .flush(let device):
            do {
                try device.flush()
            } catch {
                report(error)
                failure = ErrorNumber(error, writing: true)
            }
        }
        let isAwaited = state.withLock { state in
            state.flushesInFlight -= number
            return state.drains > 0
        }
        if isAwaited {
            state.wakeAll()
        }
        return failure
    }
}

/// What is to be done about FLUSHes that have arrived.
private enum FlushStep: Sendable {
    case answer
    case flush(any BlockDevice)
    case fail(ErrorNumber)
}

extension Export.State {
    /// Begins a hold, unless there is one; tells whether one was in flight at its begin.
    fileprivate mutating func holdFlushes() -> Bool {
        passCompleteBarriers()
        var owed: [Barrier] = []
        switch flushMode {
        case .held(let oneWasInFlight, _): return oneWasInFlight
        case .counted(let count, _): return count.oneWasInFlight
        case .behind(let barriers): owed = barriers
        case .durable: break
        }
        flushMode = .held(oneWasInFlight: flushesInFlight > 0, owed: owed)
        return flushesInFlight > 0
    }

    /// Counts FLUSHes when they are answered from memory.
    fileprivate mutating func countAnswered(_ number: Int) -> Bool {
        guard case .counted(var count, let owed) = flushMode else {
            return false
        }
        count.answered += number
        flushMode = .counted(count, owed: owed)
        return true
    }

    /// Forgets the barriers that are complete.
    fileprivate mutating func passCompleteBarriers() {
        guard case .behind(let barriers) = flushMode else {
            return
        }
        let left = barriers.filter { $0.state != .complete }
        flushMode = left.isEmpty ? .durable : .behind(left)
    }

    /// What to do with FLUSHes that have arrived; nil while they must wait.
    ///
    /// - Parameter endsHold: whether they have been held long enough.
    fileprivate mutating func nextFlushStep(
        of number: Int, isStopped: Bool, endsHold: Bool = false
    ) -> FlushStep? {
        guard !countAnswered(number) else {
            return .answer
        }
        passCompleteBarriers()
        var barriers: [Barrier] = []
        switch flushMode {
        case .held(_, let owed):
            guard endsHold else {
                return isStopped ? .fail(.shutdown) : nil
            }
            barriers = owed.filter { $0.state != .complete }
        case .behind(let owed): barriers = owed
        case .counted, .durable: break
        }
        if !barriers.isEmpty {
            let isFailed = barriers.contains {
                if case .failed = $0.state { true } else { false }
            }
            return isFailed ? .fail(.io) : isStopped ? .fail(.shutdown) : nil
        }
        guard holds == 0 else {
            return isStopped ? .fail(.shutdown) : nil
        }
        return .flush(device)
    }
}

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

    /// Answers every FLUSH from memory from the next moment on at which none is in flight, and counts them.
    ///
    /// When one is still in flight after the limit, counting begins all the same and
    /// ``FlushCount/oneWasInFlight`` says so; that FLUSH ends by itself on the device on which it began.
    /// While FLUSHes are being counted already, nothing changes.
    /// - Returns: the count as it begins, which ``flushMode`` tells from now on.
    @discardableResult
    public func countFlushes(waitingUpTo limit: Duration) -> FlushCount {
        state.withLock { $0.drains += 1 }
        let count = state.wait(within: limit) { state in
            state.flushesInFlight == 0 ? state.countFlushes() : nil
        }
        return state.change { state in
            state.drains -= 1
            return count ?? state.countFlushes()
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
        let step = state.wait { state -> FlushStep? in
            state.nextFlushStep(of: number, isStopped: stop.isSet)
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
    /// Begins to count, unless it has begun already.
    fileprivate mutating func countFlushes() -> Export.FlushCount {
        passCompleteBarriers()
        var owed: [Barrier] = []
        switch flushMode {
        case .counted(let count, _): return count
        case .behind(let barriers): owed = barriers
        case .durable: break
        }
        let count = Export.FlushCount(oneWasInFlight: flushesInFlight > 0)
        flushMode = .counted(count, owed: owed)
        return count
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
    fileprivate mutating func nextFlushStep(of number: Int, isStopped: Bool) -> FlushStep? {
        guard !countAnswered(number) else {
            return .answer
        }
        passCompleteBarriers()
        if case .behind(let barriers) = flushMode {
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

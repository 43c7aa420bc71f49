// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import Dispatch
import Synchronization

/// How a merge that is under way is slowed down and ended, and how far it is.
final class MergeControl: Sendable {
    private struct State {
        var isCancelled = false
        var isLooking = false
        var copied: UInt64 = 0
        /// What was done of the part that is being copied, and when it began.
        var part: (done: UInt64, began: ContinuousClock.Instant)?
    }

    private let state = Mutex(State())
    private let wake = DispatchSemaphore(value: 0)
    private let rate: UInt64?

    /// - Parameter rate: the most bytes that are copied in a second; nil as many as can be.
    init(rate: UInt64?) {
        self.rate = rate
    }

    var isCancelled: Bool { state.withLock { $0.isCancelled } }

    /// Whether it only looks for what to merge.
    var isLooking: Bool {
        get { state.withLock { $0.isLooking } }
        set { state.withLock { $0.isLooking = newValue } }
    }

    /// The bytes that were copied so far.
    var copied: UInt64 { state.withLock { $0.copied } }

    /// Ends the merge at its next piece.
    func cancel() {
        state.withLock { $0.isCancelled = true }
        wake.signal()
    }

    /// Ends what only reads when the merge is to end.
    @Sendable func check(_ done: UInt64, _ total: UInt64) throws(StorageError) {
        guard !isCancelled else {
            throw StorageError(.cancelled, name: "a look at disks", detail: "was stopped")
        }
    }

    /// Notes a piece, and waits where it came too soon.
    @Sendable func pace(_ done: UInt64, _ total: UInt64) throws(StorageError) {
        let delay = state.withLock { state -> Duration in
            if state.part.map({ $0.done > done }) ?? true { state.part = (0, .now) }
            guard let part = state.part else { return .zero }
            state.copied += done - part.done
            state.part?.done = done
            guard let rate, rate > 0 else { return .zero }
            return .seconds(Double(done) / Double(rate)) - (ContinuousClock.now - part.began)
        }
        if delay > .zero, !isCancelled {
            _ = wake.wait(timeout: .now() + delay / .seconds(1))
        }
        guard !isCancelled else {
            throw StorageError(.cancelled, name: "a merge of disks", detail: "was stopped")
        }
    }
}

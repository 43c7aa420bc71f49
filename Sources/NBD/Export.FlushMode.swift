// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

extension Export {
    /// How an export answers FLUSH, and the sync of a request with FUA.
    ///
    /// ```
    ///             holdFlushes()           countFlushes()
    ///   durable ────────────────► held ────────────────► counted
    ///    ▲   ▲                     │ ▲                      │
    ///    │   └── resumeFlushes() ──┴─┼──────────────────────┤
    ///    │                           │ holdFlushes()        │ resumeFlushes(behind:)
    ///    │  every barrier            │                      ▼
    ///    └─ is complete ──────────── behind ◄───────────────┘     EIO while a barrier is failed
    /// ```
    ///
    /// A checkpoint of a running machine goes once around: FLUSHes are held just before the machine stops, counted
    /// once it stands, the device is swapped, and the machine continues behind the barrier that is the sync of the
    /// sealed parent. While the guest may still run no FLUSH is answered from memory: it would take for durable what
    /// is not.
    public enum FlushMode: Sendable {
        /// Answered once the device has flushed.
        case durable
        /// Not answered until they are counted, or resumed; after ``Export/longestHold`` as if durable.
        ///
        /// What the export was behind when the hold began is still owed.
        case held(oneWasInFlight: Bool, owed: [Barrier])
        /// Answered at once, without the device, and counted.
        ///
        /// What the export was behind when the counting began is still owed.
        case counted(FlushCount, owed: [Barrier])
        /// Answered once the barriers are complete and then the device has flushed; EIO while one is failed.
        case behind([Barrier])
    }

    /// The FLUSHes that were answered from memory.
    public struct FlushCount: Hashable, Sendable {
        /// How many there were, syncs of FUA included.
        public var answered: Int
        /// Whether another FLUSH was in flight when the hold began, so that one of the guest's may be among them.
        public var oneWasInFlight: Bool

        /// Makes a count.
        public init(answered: Int = 0, oneWasInFlight: Bool = false) {
            self.answered = answered
            self.oneWasInFlight = oneWasInFlight
        }
    }
}

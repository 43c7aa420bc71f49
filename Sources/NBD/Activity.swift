// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import Synchronization

/// What a connection is at, for the thread that looks for one whose place another client can have.
///
/// ```
///               ┌──────────── asks for nothing ────────────┐
///  handshake ───┴──► first request ──► at work ◄──► waits for the client: for its bytes, or for it to take replies
///  └──────┬─────┘                      └──┬──┘      └──┬──┘
///  may go after `contendedStart`    stays as it is    may go after `contendedIdle`
/// ```
///
/// Times are those of a clock that is read in no time and is right to some milliseconds. Zero stands for none.
final class Activity: Sendable {
    private let began: Int64 = Activity.now
    private let hasAsked = Atomic(false)
    private let receivingSince = Atomic<Int64>(0)
    private let sendingSince = Atomic<Int64>(0)
    /// The requests that other threads than the one that receives them do.
    private let requestsElsewhere = Atomic(0)
    private let answeredElsewhere = Atomic<Int64>(0)

    /// The clock's time in nanoseconds.
    static var now: Int64 {
        var time = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC_COARSE, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }

    /// The client has sent a request.
    func ask() {
        hasAsked.store(true, ordering: .relaxed)
    }

    /// The thread that receives waits for bytes.
    func beginReceiving() {
        receivingSince.store(Self.now, ordering: .releasing)
    }

    /// It has got some, or none will come.
    func endReceiving() {
        receivingSince.store(0, ordering: .releasing)
    }

    /// A thread has bytes for the client to take; only from within the lock that lets one thread send.
    func beginSending() {
        sendingSince.store(Self.now, ordering: .releasing)
    }

    /// The client has taken them.
    func endSending() {
        sendingSince.store(0, ordering: .releasing)
    }

    /// Another thread takes a request over.
    func handOver() {
        requestsElsewhere.add(1, ordering: .acquiringAndReleasing)
    }

    /// Other threads have answered requests.
    func answer(_ count: Int) {
        answeredElsewhere.store(Self.now, ordering: .releasing)
        requestsElsewhere.subtract(count, ordering: .acquiringAndReleasing)
    }

    /// Whether the client has replies to take.
    var isSending: Bool {
        sendingSince.load(ordering: .acquiring) != 0
    }

    /// When the connection's place can be had by another client, as things are; not yet when its request is being done.
    func dueTime(at now: Int64, _ limits: Limits) -> Int64 {
        guard hasAsked.load(ordering: .relaxed) else { return began + limits.contendedStart.nanoseconds }
        return (waitingSince ?? now) + limits.contendedIdle.nanoseconds
    }

    /// Since when nothing but the client holds things up; nil while its requests are being done.
    private var waitingSince: Int64? {
        let sending = sendingSince.load(ordering: .acquiring)
        guard sending == 0 else { return sending }
        let receiving = receivingSince.load(ordering: .acquiring)
        guard receiving != 0, requestsElsewhere.load(ordering: .acquiring) == 0 else { return nil }
        return max(receiving, answeredElsewhere.load(ordering: .acquiring))
    }
}

extension Duration {
    /// The same time as a number; what is too long for one is a hundred years.
    fileprivate var nanoseconds: Int64 {
        let (seconds, attoseconds) = components
        guard seconds < 100 * 365 * 86_400 else { return 100 * 365 * 86_400 * 1_000_000_000 }
        return max(0, seconds) * 1_000_000_000 + max(0, attoseconds / 1_000_000_000)
    }
}

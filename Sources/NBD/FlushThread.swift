// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// The thread of one connection that waits for syncs, so that reads and writes need not.
///
/// FLUSHes that arrive while it is busy are done together with one sync.
final class FlushThread: Sendable {
    private struct Queue: Sendable {
        var cookies: [UInt64] = []
        var isClosed = false
        var thread: WorkerThread?
    }

    /// The most FLUSHes that may wait; a client that sends more waits itself.
    private static let capacity = 1024

    private let queue: Monitor<Queue>
    private let export: Export
    private let socket: Socket
    private let stop: StopFlag

    /// Starts the thread.
    init(_ export: Export, _ socket: Socket, unless stop: StopFlag) throws(NBDError) {
        self.export = export
        self.socket = socket
        self.stop = stop
        var queue = Queue()
        queue.cookies.reserveCapacity(Self.capacity)
        self.queue = Monitor(queue)
        let thread = try WorkerThread.start(for: socket.name) { [self] in run() }
        self.queue.withLock { $0.thread = thread }
    }

    /// Does a FLUSH that has arrived, and replies to it.
    func submit(_ cookie: UInt64) {
        socket.activity.handOver()
        _ = queue.wait { queue -> Bool? in
            guard queue.cookies.count < Self.capacity else {
                return nil
            }
            queue.cookies.append(cookie)
            return true
        }
    }

    /// Finishes what has been submitted and ends the thread.
    func finish() {
        let thread = queue.change { queue -> WorkerThread? in
            queue.isClosed = true
            defer { queue.thread = nil }
            return queue.thread
        }
        thread?.join()
    }

    private func run() {
        var batch: [UInt64] = []
        var reply: [UInt8] = []
        batch.reserveCapacity(Self.capacity)
        while true {
            batch.removeAll(keepingCapacity: true)
            batch = takeAll(insteadOf: batch)
            if batch.isEmpty {
                return
            }
            let failure = export.synchronize(batch.count, unless: stop)
            reply.removeAll(keepingCapacity: true)
            for cookie in batch {
                SimpleReply(cookie: cookie, error: failure).append(to: &reply)
            }
            do {
                try unsafe reply.span.withUnsafeBytes { bytes throws(NBDError) in
                    unsafe try socket.send(bytes)
                }
            } catch {
                // The thread that reads requests learns from this that the client is gone.
                socket.shutDown(.both)
            }
            socket.activity.answer(batch.count)
        }
    }

    /// Waits for FLUSHes; none are left when it returns an empty list.
    private func takeAll(insteadOf empty: [UInt64]) -> [UInt64] {
        queue.wait { queue -> [UInt64]? in
            guard !queue.cookies.isEmpty || queue.isClosed else {
                return nil
            }
            let all = queue.cookies
            queue.cookies = empty
            return all
        } ?? []
    }
}

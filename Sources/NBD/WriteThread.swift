// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

internal import BlockStorage

/// The thread of one connection that does long WRITEs, while the next request is received.
///
/// The payloads stay in the buffers into which they were received, and those go back and forth:
///
/// ```
///  request thread:  receive ──► submit ──┐  ┌─ spare buffer
///                                        ▼  │
///  this thread:                       device ──► reply
/// ```
final class WriteThread: Sendable {
    /// A WRITE with a buffer that has its payload from `start` on.
    struct Write: Sendable {
        var request: Request
        var buffer: [UInt8]
        var start: Int
    }

    private struct Queue: Sendable {
        var writes: [Write] = []
        var spare: [UInt8] = []
        var isBusy = false
        var isClosed = false
        var thread: WorkerThread?
    }

    /// The lengths of payloads that are worth handing over, and that are received whole.
    static let lengths = 128 << 10...Channel.largestCapacity
    /// The most WRITEs that may wait; a client that sends more waits itself.
    private static let capacity = 2

    private let queue = Monitor(Queue())
    private let export: Export
    private let socket: Socket
    private let stop: StopFlag

    /// Starts the thread.
    init(_ export: Export, _ socket: Socket, unless stop: StopFlag) throws(NBDError) {
        self.export = export
        self.socket = socket
        self.stop = stop
        let thread = try WorkerThread.start(for: socket.name) { [self] in run() }
        queue.withLock { $0.thread = thread }
    }

    /// Takes a buffer that is no longer in use, to receive into; an empty one when there is none.
    func takeSpare() -> [UInt8] {
        queue.withLock { queue in
            var buffer: [UInt8] = []
            swap(&buffer, &queue.spare)
            return buffer
        }
    }

    /// Does a WRITE that may be done, and replies to it.
    func submit(_ write: Write) {
        socket.activity.handOver()
        _ = queue.wait { queue -> Bool? in
            guard queue.writes.count < Self.capacity else {
                return nil
            }
            queue.writes.append(write)
            return true
        }
    }

    /// Waits until everything that was submitted is done.
    func settle() {
        _ = queue.wait { $0.writes.isEmpty && !$0.isBusy ? true : nil }
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
        while var write = next() {
            let failure = perform(write)
            var reply: [UInt8] = []
            reply.reserveCapacity(SimpleReply.length)
            SimpleReply(cookie: write.request.cookie, error: failure).append(to: &reply)
            do {
                try unsafe reply.span.withUnsafeBytes { bytes throws(NBDError) in
                    unsafe try socket.send(bytes)
                }
            } catch {
                // The thread that reads requests learns from this that the client is gone.
                socket.shutDown(.both)
            }
            socket.activity.answer(1)
            // Exchanged, for a buffer that two hold is copied when it is written to.
            queue.change { queue in
                swap(&queue.spare, &write.buffer)
                queue.isBusy = false
            }
        }
    }

    /// Waits for a WRITE; nil when there will be none.
    private func next() -> Write? {
        queue.wait { queue -> Write?? in
            if queue.writes.isEmpty {
                return queue.isClosed ? .some(nil) : nil
            }
            queue.isBusy = true
            return queue.writes.removeFirst()
        } ?? nil
    }

    private func perform(_ write: Write) -> ErrorNumber? {
        guard let device = export.enterAtOnce() ?? export.enter(unless: stop) else {
            return .shutdown
        }
        defer { export.leave() }
        do {
            let payload = unsafe write.buffer.span.bytes
                .extracting(write.start..<write.start + Int(write.request.length))
            try device.write(payload, at: write.request.offset)
            return nil
        } catch {
            export.report(error)
            return ErrorNumber(error, writing: true)
        }
    }
}

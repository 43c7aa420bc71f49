// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import Dispatch
import FermataModel
import Foundation
import Glibc
import Synchronization
import SystemPackage

/// Moves a command's bytes between the guest and descriptors, in bounded memory.
///
/// ```
///  channel's thread ──take()──► queue ──► writer's thread ──► output, error
///                                 └── TAKEN frames, without which the guest sends no more than a window
///  input ──► reader's thread ──► STDIN frames, no more than the guest has given credit for
/// ```
/// With a guest whose agent knows no such window the channel's thread waits while the queue is long, except in a pause,
/// which only drains what is there.
/// No thread waits for a descriptor but in `poll`, together with one that ends the wait.
final class CommandPump: CommandEnd {
    /// How many bytes of output may wait before the channel does.
    static let queueLimit = 1 << 20
    /// How many bytes of input may be on their way, by the guest's protocol.
    static let inputWindow = 65536
    /// After how much output the guest is told that it was taken; a quarter of its window.
    private static let takenAtOnce = 65536
    /// What can be written to a pipe that has room without waiting for more of it.
    private static let atOnce = 4096

    private struct State {
        var queue: [(bytes: [UInt8], isError: Bool)] = []
        var queued = 0
        /// Output that was taken and of which the guest was not told yet.
        var taken = 0
        var credit = CommandPump.inputWindow
        var isStopped = false
        var waitsForRoom = false
        var waitsForCredit = false
        var drained: [CheckedContinuation<Void, Never>] = []
        var send: (@Sendable (GuestFrame.Kind, [UInt8]) -> Void)?
        /// Why output cannot be written any more, by stream: whether it is that of errors.
        var failures: [Bool: Errno] = [:]

        /// What the guest is to be told of output that was taken; nil until it is enough.
        mutating func take(_ count: Int) -> [UInt8]? {
            taken += count
            guard send != nil, taken >= CommandPump.takenAtOnce else { return nil }
            defer { taken = 0 }
            var payload = LittleEndianBytes()
            payload.append(UInt32(clamping: taken))
            return payload.bytes
        }
    }

    private let streams: CommandStreams
    private let state = Mutex(State())
    private let work = DispatchSemaphore(value: 0)
    private let room = DispatchSemaphore(value: 0)
    private let credits = DispatchSemaphore(value: 0)
    private let threads = DispatchGroup()
    /// A pair whose first end becomes readable when the pump is stopped.
    private let stopSignal: (reading: FileDescriptor, writing: FileDescriptor)

    init(_ streams: CommandStreams) throws(EngineError) {
        self.streams = streams
        var ends: [CInt] = [-1, -1]
        guard unsafe socketpair(AF_UNIX, CInt(SOCK_STREAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue), 0, &ends) == 0
        else {
            throw EngineError(.system, "the command's streams cannot be served: \(Errno(rawValue: errno))")
        }
        stopSignal = (FileDescriptor(rawValue: ends[0]), FileDescriptor(rawValue: ends[1]))
        start { $0.write() }
    }

    deinit {
        close(stopSignal.reading.rawValue)
        close(stopSignal.writing.rawValue)
    }

    private func start(_ body: @escaping @Sendable (CommandPump) -> Void) {
        threads.enter()
        Thread.detachNewThread { [self] in
            // A reader that is gone is an error of the write, not the end of this process.
            var signals = sigset_t()
            unsafe sigemptyset(&signals)
            unsafe sigaddset(&signals, SIGPIPE)
            unsafe pthread_sigmask(SIG_BLOCK, &signals, nil)
            body(self)
            threads.leave()
        }
    }

    var hasInput: Bool { streams.input != nil }
    var limitsOutput: Bool { true }

    func begin(_ send: @escaping @Sendable (GuestFrame.Kind, [UInt8]) -> Void) {
        state.withLock { $0.send = send }
        if hasInput { start { $0.read() } }
    }

    func take(_ bytes: [UInt8], isError: Bool) {
        guard !bytes.isEmpty else { return }
        state.withLock { state in
            guard !state.isStopped else { return }
            state.queue.append((bytes, isError))
            state.queued += bytes.count
        }
        work.signal()
    }

    func credit(_ count: Int) {
        let isWaiting = state.withLock { state in
            state.credit += count
            defer { state.waitsForCredit = false }
            return state.waitsForCredit
        }
        if isWaiting { credits.signal() }
    }

    func waitForRoom() {
        let mustWait = state.withLock { state in
            guard !state.isStopped, state.queued > Self.queueLimit else { return false }
            state.waitsForRoom = true
            return true
        }
        if mustWait { room.wait() }
    }

    /// Waits until all output is written; a task that is cancelled stops the pump instead.
    func drain() async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isDone = state.withLock { state in
                    guard state.queued > 0, !state.isStopped else { return true }
                    state.drained.append(continuation)
                    return false
                }
                if isDone { continuation.resume() }
            }
        } onCancel: {
            signalStop()
        }
    }

    /// Ends the threads, and drops what is not written yet.
    ///
    /// The descriptors are left alone once this returns.
    func stop() async {
        signalStop()
        await withCheckedContinuation { continuation in
            threads.notify(queue: .global()) { continuation.resume() }
        }
    }

    private func signalStop() {
        let (waitsForRoom, waitsForCredit, drained) = state.withLock { state in
            state.isStopped = true
            state.send = nil
            (state.queue, state.queued) = ([], 0)
            defer { (state.waitsForRoom, state.waitsForCredit, state.drained) = (false, false, []) }
            return (state.waitsForRoom, state.waitsForCredit, state.drained)
        }
        _ = try? stopSignal.writing.writeAll([1])
        work.signal()
        if waitsForRoom { room.signal() }
        if waitsForCredit { credits.signal() }
        for waiter in drained { waiter.resume() }
    }

    // MARK: Output

    private func write() {
        while true {
            work.wait()
            let (isStopped, failures, next) = state.withLock { state in
                (state.isStopped, state.failures, state.queue.isEmpty ? nil : state.queue.removeFirst())
            }
            if isStopped { return }
            guard let (bytes, isError) = next else { continue }
            // A command that does not end for want of a reader goes on, for nobody.
            let failure = failures[isError] == nil ? write(bytes, to: isError ? streams.error : streams.output) : nil
            finish(bytes.count, failure: failure, isError: isError)
        }
    }

    /// Notes that output has been written, or that nobody takes it: then the command is told as a shell would tell it.
    private func finish(_ count: Int, failure: Errno?, isError: Bool) {
        let (hasRoom, drained, send, taken, breaks) = state.withLock { state in
            state.queued -= min(count, state.queued)
            let breaks = failure != nil && !state.isStopped
            if let failure { state.failures[isError] = failure }
            let taken = state.take(count)
            let hasRoom = state.waitsForRoom && state.queued <= Self.queueLimit
            if hasRoom { state.waitsForRoom = false }
            var drained: [CheckedContinuation<Void, Never>] = []
            if state.queued == 0 { swap(&drained, &state.drained) }
            return (hasRoom, drained, state.send, taken, breaks)
        }
        if hasRoom { room.signal() }
        for waiter in drained { waiter.resume() }
        if breaks { send?(.signal, [UInt8(SIGPIPE), 0, 0, 0]) }
        if let taken { send?(.taken, taken) }
    }

    /// Writes all bytes.
    ///
    /// - Returns: why that failed; nil when it did not, or when the pump was stopped.
    private func write(_ bytes: [UInt8], to descriptor: FileDescriptor?) -> Errno? {
        guard let descriptor else { return nil }
        var written = 0
        while written < bytes.count {
            guard wait(for: descriptor, Int16(POLLOUT)) else { return nil }
            let count = unsafe bytes.withUnsafeBytes { buffer in
                unsafe Glibc.write(
                    descriptor.rawValue, buffer.baseAddress?.advanced(by: written),
                    min(Self.atOnce, bytes.count - written))
            }
            if count > 0 {
                written += count
            } else if errno != EINTR, errno != EAGAIN {
                return Errno(rawValue: errno)
            }
        }
        return nil
    }

    /// Why output was lost, unless its reader went away, as one may.
    var failure: Errno? {
        state.withLock { state in
            [false, true].compactMap { state.failures[$0] }.first { $0 != .brokenPipe }
        }
    }

    /// Waits until a descriptor is ready; false once the pump is stopped.
    private func wait(for descriptor: FileDescriptor, _ events: Int16) -> Bool {
        var waiting = [
            pollfd(fd: descriptor.rawValue, events: events, revents: 0),
            pollfd(fd: stopSignal.reading.rawValue, events: Int16(POLLIN), revents: 0),
        ]
        while unsafe poll(&waiting, 2, -1) < 0 {
            guard errno == EINTR else { return false }
        }
        return waiting[1].revents == 0
    }

    // MARK: Input

    private func read() {
        guard let input = streams.input else { return }
        var buffer = [UInt8](repeating: 0, count: 16384)
        while true {
            let room = state.withLock { state -> Int? in
                guard !state.isStopped else { return nil }
                if state.credit == 0 { state.waitsForCredit = true }
                return min(state.credit, buffer.count)
            }
            guard let room else { return }
            guard room > 0 else {
                credits.wait()
                continue
            }
            guard wait(for: input, Int16(POLLIN)) else { return }
            let count = unsafe buffer.withUnsafeMutableBytes { unsafe Glibc.read(input.rawValue, $0.baseAddress, room) }
            if count < 0, errno == EINTR || errno == EAGAIN { continue }
            let send = state.withLock { state in
                state.credit -= max(0, count)
                return state.send
            }
            // No bytes are the input's end, and so is an error.
            send?(.standardInput, Array(buffer.prefix(max(0, count))))
            if count <= 0 { return }
        }
    }
}

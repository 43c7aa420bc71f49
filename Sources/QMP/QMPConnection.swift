// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import Synchronization
import SystemPackage

/// The state of a connection: who waits for what, shared by those who ask and the thread that reads.
///
/// ```
///   open ── peer ends, breaks the protocol, close() ──► ended(why)      nothing is pending in `ended`
/// ```
final class QMPConnection: Sendable {
    private let socket: QMPSocket
    private let sending = Mutex<Void>(())
    private let state = Mutex(State())
    private let events: AsyncStream<QMPEvent>.Continuation
    private let reader = Mutex<BlockingThread?>(nil)

    typealias Answer = Result<JSONValue, QMPError>

    private struct State {
        var ended: QMPError?
        var nextNumber: Int64 = 1
        var replies: [Int64: Reply] = [:]
        var expectations: [Int64: Expectation] = [:]
        var lastEvents: [String: QMPEvent] = [:]
        var observers: [String: @Sendable () -> Void] = [:]
        var eventCount = 0
        var greeting: JSONValue?
        /// The moment at which the reader's wait ends by itself.
        var readerWakes: ContinuousClock.Instant?
    }

    private struct Reply {
        var command: String
        var deadline: ContinuousClock.Instant
        var timeout: Duration
        var continuation: CheckedContinuation<Answer, Never>
    }

    private struct Expectation {
        var name: String
        var matches: @Sendable (QMPEvent) -> Bool
        var arrived: QMPEvent?
        var deadline: ContinuousClock.Instant?
        var timeout: Duration = .zero
        var continuation: CheckedContinuation<Result<QMPEvent, QMPError>, Never>?
    }

    /// The number under which the greeting is waited for; commands count from 1.
    private static let greetingNumber: Int64 = 0
    /// A longer line is no QMP.
    private static let lineLimit = 64 << 20

    init(_ descriptor: FileDescriptor, events: AsyncStream<QMPEvent>.Continuation) throws(QMPError) {
        socket = try QMPSocket(descriptor)
        self.events = events
        let thread = BlockingThread { [self] in read() }
        guard let thread else {
            events.finish()
            throw QMPError(.disconnected, detail: "the system gave no thread to read it")
        }
        reader.withLock { $0 = thread }
    }

    /// Ends the connection and waits for the reader.
    func close() {
        socket.shutDown()
        socket.wakeReader()
        let thread = reader.withLock { slot in
            defer { slot = nil }
            return slot
        }
        thread?.join()
    }

    // MARK: Asking

    func greeting(timeout: Duration) async throws(QMPError) -> JSONValue {
        try await withCheckedContinuation { (continuation: CheckedContinuation<Answer, Never>) in
            let known = state.withLock { state -> Answer? in
                if let greeting = state.greeting { return .success(greeting) }
                if let ended = state.ended { return .failure(ended) }
                let deadline = ContinuousClock.now + timeout
                state.replies[Self.greetingNumber] = Reply(
                    command: "greeting", deadline: deadline, timeout: timeout, continuation: continuation)
                wakeReader(&state, for: deadline)
                return nil
            }
            if let known { continuation.resume(returning: known) }
        }.get()
    }

    func execute(
        _ command: String, _ arguments: JSONValue?, passing descriptor: CInt?, timeout: Duration
    ) async throws(QMPError) -> JSONValue {
        try await withCheckedContinuation { (continuation: CheckedContinuation<Answer, Never>) in
            let number = state.withLock { state -> Int64? in
                guard state.ended == nil else { return nil }
                let number = state.nextNumber
                state.nextNumber += 1
                let deadline = ContinuousClock.now + timeout
                state.replies[number] = Reply(
                    command: command, deadline: deadline, timeout: timeout, continuation: continuation)
                wakeReader(&state, for: deadline)
                return number
            }
            guard let number else {
                continuation.resume(returning: .failure(endError(command)))
                return
            }
            var message: [String: JSONValue] = ["execute": .string(command), "id": .integer(number)]
            message["arguments"] = arguments
            let line = Array("\(JSONValue.object(message))\n".utf8)
            do throws(Errno) {
                try sending.withLock { _ throws(Errno) in try socket.send(line, passing: descriptor) }
            } catch {
                // The reader then sees the end, and fails whatever waits.
                end(QMPError(.disconnected, detail: "the peer takes no more commands: \(error)"))
                socket.shutDown()
            }
        }.get()
    }

    // MARK: Events

    func lastEvent(_ name: String) -> QMPEvent? {
        state.withLock { $0.lastEvents[name] }
    }

    func expect(_ name: String, _ matches: @escaping @Sendable (QMPEvent) -> Bool) -> Int64 {
        state.withLock { state in
            let number = state.nextNumber
            state.nextNumber += 1
            state.expectations[number] = Expectation(name: name, matches: matches)
            return number
        }
    }

    func observe(_ name: String, _ body: @escaping @Sendable () -> Void) {
        state.withLock { $0.observers[name] = body }
    }

    func forget(_ number: Int64) {
        state.withLock { $0.expectations[number] = nil }
    }

    func event(_ number: Int64, _ name: String, timeout: Duration) async throws(QMPError) -> QMPEvent {
        try await withCheckedContinuation { (continuation: CheckedContinuation<Result<QMPEvent, QMPError>, Never>) in
            let known = state.withLock { state -> Result<QMPEvent, QMPError>? in
                if let event = state.expectations[number]?.arrived {
                    state.expectations[number] = nil
                    return .success(event)
                }
                if let ended = state.ended { return .failure(ended) }
                let deadline = ContinuousClock.now + timeout
                state.expectations[number]?.continuation = continuation
                state.expectations[number]?.deadline = deadline
                state.expectations[number]?.timeout = timeout
                wakeReader(&state, for: deadline)
                return nil
            }
            if let known { continuation.resume(returning: known) }
        }.get()
    }

    // MARK: Reading

    private func read() {
        var buffer = [UInt8](repeating: 0, count: 65536)
        var line: [UInt8] = []
        while true {
            switch socket.receive(into: &buffer, limit: expireAndPlan()) {
            case .nothing: continue
            case .end:
                end(QMPError(.disconnected, detail: "the peer closed it"))
                return
            case .bytes(let count):
                var rest = buffer[..<count]
                while let newline = rest.firstIndex(of: UInt8(ascii: "\n")) {
                    line += rest[..<newline]
                    rest = rest[(newline + 1)...]
                    guard handle(line) else { return }
                    line.removeAll(keepingCapacity: true)
                }
                line += rest
                if line.count > Self.lineLimit {
                    end(QMPError(.malformed, detail: "a line of more than \(Self.lineLimit) bytes"))
                    return
                }
            }
        }
    }

    /// Handles one message; false when it ends the connection.
    private func handle(_ line: [UInt8]) -> Bool {
        if line.allSatisfy({ $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\r") }) { return true }
        guard let message = JSONValue(text: line) else {
            let start = String(decoding: line.prefix(80), as: UTF8.self)
            end(QMPError(.malformed, detail: "a line that is not JSON: '\(start)'"))
            return false
        }
        if let event = QMPEvent(message: message, number: state.withLock { $0.eventCount }) {
            deliver(event)
        } else if message["QMP"] != nil {
            answer(Self.greetingNumber, .success(message))
            state.withLock { $0.greeting = message }
        } else if let number = message["id"]?.integer, let value = message["return"] {
            answer(number, .success(value))
        } else if let error = message["error"] {
            let command = message["id"]?.integer.flatMap { number in state.withLock { $0.replies[number]?.command } }
            let failure = QMPError(.refused, command: command, detail: error["desc"]?.string ?? "\(error)")
            guard let number = message["id"]?.integer else {
                end(QMPError(.malformed, detail: "an error that answers no command: \(failure.detail)"))
                return false
            }
            answer(number, .failure(failure))
        } else {
            end(QMPError(.malformed, detail: "a message of no known kind"))
            return false
        }
        return true
    }

    private func answer(_ number: Int64, _ answer: Answer) {
        // An answer that came too late has nobody who waits for it.
        let reply = state.withLock { $0.replies.removeValue(forKey: number) }
        reply?.continuation.resume(returning: answer)
    }

    private func deliver(_ event: QMPEvent) {
        let (waiting, observer) = state.withLock { state in
            state.eventCount += 1
            state.lastEvents[event.name] = event
            var waiting: [CheckedContinuation<Result<QMPEvent, QMPError>, Never>] = []
            for (number, expectation) in state.expectations
            where expectation.name == event.name && expectation.arrived == nil && expectation.matches(event) {
                if let continuation = expectation.continuation {
                    waiting.append(continuation)
                    state.expectations[number] = nil
                } else {
                    state.expectations[number]?.arrived = event
                }
            }
            return (waiting, state.observers[event.name])
        }
        observer?()
        // Only now: who reads the event may ask for the last one of its name.
        events.yield(event)
        for continuation in waiting { continuation.resume(returning: .success(event)) }
    }

    // MARK: Ending

    private func endError(_ command: String) -> QMPError {
        var error = state.withLock { $0.ended } ?? QMPError(.disconnected, detail: "it was closed")
        error.command = command
        return error
    }

    private func end(_ error: QMPError) {
        let (replies, expectations, reason) = state.withLock { state in
            let reason = state.ended ?? error
            state.ended = reason
            defer {
                state.replies = [:]
                state.expectations = [:]
                state.observers = [:]
            }
            return (state.replies, state.expectations, reason)
        }
        for reply in replies.values {
            var error = reason
            error.command = reply.command
            reply.continuation.resume(returning: .failure(error))
        }
        for expectation in expectations.values {
            var error = reason
            error.command = expectation.name
            expectation.continuation?.resume(returning: .failure(error))
        }
        events.finish()
    }

    // MARK: Deadlines

    /// Makes the reader's wait end in time; it is woken only when it would sleep longer, not for each command.
    private func wakeReader(_ state: inout State, for deadline: ContinuousClock.Instant) {
        if let wakes = state.readerWakes, wakes <= deadline { return }
        state.readerWakes = deadline
        socket.wakeReader()
    }

    /// Fails what has waited too long; returns how many milliseconds the reader may sleep (-1: for ever).
    private func expireAndPlan() -> CInt {
        let now = ContinuousClock.now
        var failed: [() -> Void] = []
        let limit = state.withLock { state -> CInt in
            for (number, reply) in state.replies where reply.deadline <= now {
                state.replies[number] = nil
                let error = QMPError(.timedOut, command: reply.command, detail: "\(reply.timeout) have passed")
                failed.append { reply.continuation.resume(returning: .failure(error)) }
            }
            for (number, expectation) in state.expectations {
                guard let deadline = expectation.deadline, deadline <= now else { continue }
                state.expectations[number] = nil
                let error = QMPError(
                    .timedOut, command: expectation.name, detail: "\(expectation.timeout) have passed")
                failed.append { expectation.continuation?.resume(returning: .failure(error)) }
            }
            if let wakes = state.readerWakes, wakes > now { return milliseconds(until: wakes, from: now) }
            let deadlines = state.replies.values.map(\.deadline) + state.expectations.values.compactMap(\.deadline)
            state.readerWakes = deadlines.min()
            return state.readerWakes.map { milliseconds(until: $0, from: now) } ?? -1
        }
        for fail in failed { fail() }
        return limit
    }

    private func milliseconds(until deadline: ContinuousClock.Instant, from now: ContinuousClock.Instant) -> CInt {
        let (seconds, attoseconds) = (deadline - now).components
        return CInt(clamping: min(seconds, 1_000_000) * 1000 + attoseconds / 1_000_000_000_000_000 + 1)
    }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import Dispatch
import FermataModel
import Synchronization

/// The host's end of a guest's command channel.
///
/// ```
///               begin()                HELLO_ACK of that epoch
///   (nothing) ──────────► greeting ─────────────────────────────► ready ──► commands
///                 ▲                                                 │
///                 └──── restore, restart of the guest, READY ◄──────┘
/// ```
/// Every restore begins a new epoch: frames of another one are ignored on both sides, so nothing of a discarded
/// future is executed, and no reply of it is believed.
final class GuestSession: Sendable {
    /// How much of a command's output is kept, each of standard output and standard error.
    static let outputLimit = 16 << 20

    private struct State {
        var epoch: UInt64 = 0
        /// The channel's epoch in which that one began.
        var sending = 0
        var isReady = false
        var ended: EngineError?
        var decoder = GuestFrameDecoder()
        var nextRequest: UInt32 = 1
        var requests: [UInt32: Request] = [:]
        var greeters: [UInt32: CheckedContinuation<Void, any Error>] = [:]
    }

    private struct Request {
        let end: any CommandEnd
        let continuation: CheckedContinuation<Int, any Error>
    }

    private let channel: ByteChannel
    private let state = Mutex(State())
    private let writes = DispatchQueue(label: "fermata.guest")

    init(channel: ByteChannel) {
        self.channel = channel
        begin(because: EngineError(.guest, "the command channel began anew"))
    }

    /// Takes in what the guest sent.
    func receive(_ bytes: [UInt8]) {
        let isNew = state.withLock { state in
            state.decoder.feed(bytes).reduce(false) { handle($1, &state) || $0 }
        }
        if isNew { begin(because: EngineError(.guest, "the guest restarted while the command ran")) }
    }

    /// Waits until every command's output so far has found room; to be called between two receipts, outside of pauses.
    func waitForRoom() {
        for request in state.withLock({ Array($0.requests.values) }) { request.end.waitForRoom() }
    }

    /// Starts a new epoch: whatever is under way ends with the reason.
    func begin(because reason: EngineError) {
        let (epoch, sending, requests) = state.withLock { state in
            // What was decided in the old epoch and is not sent yet never is: the guest may be back in that epoch.
            state.sending = channel.beginEpoch()
            state.epoch = UInt64.random(in: 1 ... .max)
            state.isReady = false
            state.decoder = GuestFrameDecoder()
            defer { state.requests = [:] }
            return (state.epoch, state.sending, state.requests)
        }
        for request in requests.values { request.continuation.resume(throwing: reason) }
        send(GuestFrame(.hello, epoch: epoch, payload: [1, 0, 0, 0]), since: sending)
    }

    /// Ends the session: whatever is under way, and every later command, ends with the reason.
    func end(because reason: EngineError) {
        let (requests, greeters) = state.withLock { state in
            state.ended = reason
            defer {
                state.requests = [:]
                state.greeters = [:]
            }
            return (state.requests, state.greeters)
        }
        for request in requests.values { request.continuation.resume(throwing: reason) }
        for greeter in greeters.values { greeter.resume(throwing: reason) }
    }

    /// Runs a command to its end, and keeps its output.
    ///
    /// Cancelling the task kills the command.
    func run(_ command: Action.Command) async throws -> CommandResult {
        let output = CommandOutput(limit: Self.outputLimit)
        return output.result(exitCode: try await run(command, to: output))
    }

    /// Runs a command to its end.
    ///
    /// Cancelling the task kills the command.
    ///
    /// - Returns: its exit code.
    func run(_ command: Action.Command, to end: any CommandEnd) async throws -> Int {
        let payload = Self.payload(of: command, for: end)
        guard payload.count <= GuestFrame.payloadLimit else {
            throw EngineError(
                .guest,
                "a command of \(payload.count) bytes is longer than the \(GuestFrame.payloadLimit) that one "
                    + "can have; put it into a file")
        }
        try await waitUntilReady()
        let request = state.withLock { state in
            defer { state.nextRequest = state.nextRequest == .max ? 1 : state.nextRequest + 1 }
            return state.nextRequest
        }
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let epochs: (guest: UInt64, channel: Int)? = state.withLock { state in
                    if Task.isCancelled {
                        continuation.resume(throwing: CancellationError())
                    } else if let reason = state.ended {
                        continuation.resume(throwing: reason)
                    } else {
                        state.requests[request] = Request(end: end, continuation: continuation)
                        return (state.epoch, state.sending)
                    }
                    return nil
                }
                guard let epochs else { return }
                send(
                    GuestFrame(.execute, request: request, epoch: epochs.guest, payload: payload),
                    since: epochs.channel)
                end.begin { [weak self] kind, payload in
                    // The request may have ended, and its number be another's: such frames belong to nobody.
                    guard let self, state.withLock({ $0.requests[request]?.end === end }) else { return }
                    send(
                        GuestFrame(kind, request: request, epoch: epochs.guest, payload: payload),
                        since: epochs.channel)
                }
            }
        } onCancel: {
            cancel(request)
        }
    }

    private func cancel(_ request: UInt32) {
        let (cancelled, epoch, sending) = state.withLock { state in
            (state.requests.removeValue(forKey: request), state.epoch, state.sending)
        }
        guard let cancelled else { return }
        send(GuestFrame(.signal, request: request, epoch: epoch, payload: [9, 0, 0, 0]), since: sending)
        // What it has written and nobody took must not keep its place in the guest.
        send(GuestFrame(.taken, request: request, epoch: epoch, payload: [0xFF, 0xFF, 0xFF, 0xFF]), since: sending)
        cancelled.continuation.resume(throwing: CancellationError())
    }

    private func waitUntilReady() async throws {
        let id = state.withLock { state in
            defer { state.nextRequest = state.nextRequest == .max ? 1 : state.nextRequest + 1 }
            return state.nextRequest
        }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
                state.withLock { state in
                    if Task.isCancelled {
                        continuation.resume(throwing: CancellationError())
                    } else if let reason = state.ended {
                        continuation.resume(throwing: reason)
                    } else if state.isReady {
                        continuation.resume()
                    } else {
                        state.greeters[id] = continuation
                    }
                }
            }
        } onCancel: {
            state.withLock { $0.greeters.removeValue(forKey: id) }?.resume(throwing: CancellationError())
        }
    }

    private func send(_ frame: GuestFrame, since epoch: Int) {
        // A write waits for room and for the gate, so it has a thread of its own.
        writes.async { [channel] in _ = channel.write(frame.encoded(), since: epoch) }
    }

    /// Handles a frame; tells whether the guest's side began anew.
    private func handle(_ frame: GuestFrame, _ state: inout State) -> Bool {
        if frame.kind == .ready { return state.isReady }
        guard frame.epoch == state.epoch else { return false }
        if frame.kind == .helloAck {
            state.isReady = true
            for greeter in state.greeters.values { greeter.resume() }
            state.greeters = [:]
            return false
        }
        guard let request = state.requests[frame.request] else { return false }
        let payload = LittleEndianBytes(frame.payload)
        switch frame.kind {
        case .standardOutput: request.end.take(frame.payload, isError: false)
        case .standardError: request.end.take(frame.payload, isError: true)
        case .credit: request.end.credit(Int(payload.u32(at: 0)))
        case .exited:
            state.requests[frame.request] = nil
            let code = Int(payload.u32(at: 4))
            request.continuation.resume(returning: payload.u32(at: 0) == 0 ? code : 128 + code)
        case .error:
            state.requests[frame.request] = nil
            let code = Int(payload.u32(at: 0))
            let text = String(decoding: frame.payload.dropFirst(4), as: UTF8.self)
            if code == 126 || code == 127 {
                // As a shell tells it.
                request.end.take(Array("\(text)\n".utf8), isError: true)
                request.continuation.resume(returning: code)
            } else {
                request.continuation.resume(throwing: EngineError(.guest, "the guest refused the command: \(text)"))
            }
        default: break
        }
        return false
    }

    private static func payload(of command: Action.Command, for end: any CommandEnd) -> [UInt8] {
        let (flags, arguments): (UInt32, [String]) =
            switch command {
            case .shell(let line): (2, [line])
            case .arguments(let arguments): (0, arguments)
            }
        var payload = LittleEndianBytes()
        payload.append(flags | (end.hasInput ? 1 : 0) | (end.limitsOutput ? 4 : 0))
        payload.append(UInt32(arguments.count))
        payload.append(UInt32(0))
        for argument in arguments { payload.append(Array(argument.utf8) + [0]) }
        return payload.bytes
    }
}

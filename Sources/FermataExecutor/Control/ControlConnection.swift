// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import Dispatch
import FermataEngine
import FermataModel
import Synchronization

/// One client of a host's control socket.
///
/// ```
///  greeting ─► requests, each answered when it is done ─► the client sends no more ─► waits are cancelled,
///      │             │ a line that breaks the protocol        the others answered ─► closed
///      │             └──────────► error, closed
///      └─ more than so many clients: closed without a greeting
/// ```
final class ControlConnection: Sendable {
    /// The longest request.
    static let longestLine = 1 << 20
    /// How many requests of one client may be under way.
    static let mostRequests = 64
    /// How much may wait for a client that does not read.
    static let mostUnsent = 256 << 20

    private struct State {
        var requests: [UInt64: Request] = [:]
        var unsent = 0
        var isOver = false
        var telling: Task<Void, Never>?
        var idle: CheckedContinuation<Void, Never>?
    }

    private struct Request {
        let isWait: Bool
        let task: Task<Void, Never>

        func cancelWait() {
            if isWait { task.cancel() }
        }
    }

    private let socket: ControlSocket
    private let machine: any MachineControl
    private let state = Mutex(State())
    private let sender = DispatchQueue(label: "fermata.control.send")

    init(_ socket: ControlSocket, to machine: any MachineControl) {
        self.socket = socket
        self.machine = machine
    }

    /// Reads requests until the client sends no more, or breaks the protocol.
    func read() {
        var lines = ControlLines(limit: Self.longestLine)
        var arrived: [ControlDescriptor] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        do throws(ControlViolation) {
            while true {
                switch socket.receive(into: &buffer) {
                case .end: return
                case .nothing: continue
                case .tooManyDescriptors: throw ControlViolation(description: "too many descriptors came at once")
                case .bytes(let count, let descriptors):
                    arrived += descriptors
                    guard arrived.count <= ControlSocket.mostDescriptors * 2 else {
                        throw ControlViolation(description: "descriptors came that belong to no request")
                    }
                    for line in try lines.feed(buffer[..<count]) {
                        try accept(ControlMessage(line: line, taking: &arrived))
                    }
                }
            }
        } catch {
            send(ControlMessage(["error": ["code": "protocol", "message": .string(error.description)]]))
            socket.shutDown(sending: false)
        }
    }

    private func accept(_ message: ControlMessage) throws(ControlViolation) {
        let id: UInt64 = try message.requiredInteger("id")
        guard let request = try ControlRequest(message) else {
            let word = try message.requiredText("request").shortened(to: 40)
            return reply(id, EngineError(.wrongState, "this host does not know the request '\(word)'"))
        }
        if case .cancel(let other) = request {
            state.withLock { $0.requests[other] }?.cancelWait()
            return reply(id, ControlDone())
        }
        let problem: ControlViolation? = state.withLock { state in
            guard state.requests[id] == nil else { return ControlViolation(description: "the id \(id) is in use") }
            guard state.requests.count < Self.mostRequests else {
                return ControlViolation(description: "more than \(Self.mostRequests) requests are under way")
            }
            state.requests[id] = Request(isWait: request.isWait, task: Task { await perform(request, id) })
            return nil
        }
        if let problem { throw problem }
    }

    private func perform(_ request: ControlRequest, _ id: UInt64) async {
        do {
            if case .subscribe = request { try await subscribe() }
            reply(id, try await machine.perform(request))
        } catch {
            reply(id, EngineError(telling: error))
        }
        let idle = state.withLock { state in
            state.requests[id] = nil
            defer { if state.requests.isEmpty { state.idle = nil } }
            return state.requests.isEmpty ? state.idle : nil
        }
        idle?.resume()
    }

    /// Tells the client what happens from now on.
    private func subscribe() async throws {
        let events = try await machine.events()
        state.withLock { state in
            guard state.telling == nil else { return }
            state.telling = Task { [weak self] in
                for await event in events { self?.send(ControlMessage(["event": .object(event.members)])) }
            }
        }
    }

    private func reply(_ id: UInt64, _ result: any ControlResult) {
        send(ControlMessage(["id": .integer(id), "result": .object(result.members)]))
    }

    private func reply(_ id: UInt64, _ error: EngineError) {
        send(ControlMessage(["id": .integer(id), "error": .object(error.members)]))
    }

    /// Makes the client's end known to who reads: it sends no more.
    func hangUp() {
        socket.shutDown(sending: false)
    }

    /// Cancels the waits of a client that sends no more, and lets everything else come to its end.
    func finish() async {
        state.withLock { $0.telling }?.cancel()
        for request in state.withLock({ $0.requests.values }) { request.cancelWait() }
        await withCheckedContinuation { continuation in
            let isIdle = state.withLock { state in
                if !state.requests.isEmpty { state.idle = continuation }
                return state.requests.isEmpty
            }
            if isIdle { continuation.resume() }
        }
    }

    /// Ends the connection once everything is sent.
    func close() async {
        await withCheckedContinuation { continuation in
            sender.async { continuation.resume() }
        }
        socket.shutDown()
    }

    /// Sends a line after those before it; a client that does not read them is disconnected.
    func send(_ message: ControlMessage) {
        let line = message.line
        let isOver = state.withLock { state in
            if state.unsent + line.count > Self.mostUnsent { state.isOver = true }
            if !state.isOver { state.unsent += line.count }
            return state.isOver
        }
        guard !isOver else { return socket.shutDown() }
        sender.async { [self] in
            let isSent = (try? socket.send(line, passing: message.descriptors)) != nil
            state.withLock { state in
                state.unsent -= line.count
                if !isSent { state.isOver = true }
            }
            if !isSent { socket.shutDown() }
        }
    }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataEngine
import FermataModel
import Foundation
import Synchronization
import SystemPackage

/// A client's end of a connection to the host of a machine: requests out, answers in, in any order.
final class ControlClient: Sendable {
    /// The longest answer: a command's output, both streams, in base 64.
    static let longestLine = 64 << 20
    /// How long the host may take to say who it is.
    static let patience: Duration = .seconds(10)

    private struct State {
        var next: UInt64 = 1
        var requests: [UInt64: CheckedContinuation<ControlMessage, any Error>] = [:]
        var readers: [Int: AsyncStream<MachineEvent>.Continuation] = [:]
        var nextReader = 0
        var end: EngineError?
        var waiters: [CheckedContinuation<Void, Never>] = []
    }

    /// Who answers.
    let greeting: ControlGreeting
    private let socket: ControlSocket
    private let machine: MachineName
    private let state = Mutex(State())
    private let sending = Mutex(())

    /// Takes a connection over, and waits until the host has said who it is.
    ///
    /// - Returns: nil when the host let the connection go first: it is ending, or has too many clients.
    init?(
        _ socket: ControlSocket, to machine: MachineName, within limit: Duration? = patience
    ) throws(EngineError) {
        socket.limitReceiving(milliseconds: limit.map { Int($0.wholeMilliseconds) } ?? 0)
        let answer: Result<ControlGreeting, EngineError>?
        do throws(ControlViolation) {
            answer = try Self.answer(from: socket)
        } catch {
            throw Self.failure(machine, error)
        }
        guard let answer else { return nil }
        greeting = try answer.get()
        self.socket = socket
        self.machine = machine
        socket.limitReceiving(milliseconds: 0)
        Thread.detachNewThread { [self] in read() }
    }

    /// The first line: who the host is, or why it could not take hold of the machine; nil when there is none.
    private static func answer(
        from socket: ControlSocket
    ) throws(ControlViolation) -> Result<ControlGreeting, EngineError>? {
        var lines = ControlLines(limit: longestLine)
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        var nothing: [ControlDescriptor] = []
        while true {
            switch socket.receive(into: &buffer) {
            case .end: return nil
            case .nothing: throw ControlViolation(description: "its host does not answer; look whether it is stopped")
            case .tooManyDescriptors: throw ControlViolation(description: "its host sent descriptors unasked")
            case .bytes(let count, _):
                guard let line = try lines.feed(buffer[..<count]).first else { continue }
                let message = try ControlMessage(line: line, taking: &nothing)
                if let error = try message.object("error") { return .failure(try EngineError(error)) }
                return .success(try ControlGreeting(message))
            }
        }
    }

    private static func failure(_ machine: MachineName, _ violation: ControlViolation) -> EngineError {
        EngineError(.system, "machine '\(machine)' cannot be reached: \(violation)")
    }

    /// Asks for something, and waits for its answer; when the task is cancelled, a wait in the host ends.
    func ask<Answer: ControlResult>(_ request: ControlRequest) async throws -> Answer {
        try Task.checkCancellation()
        let id = state.withLock { state in
            defer { state.next += 1 }
            return state.next
        }
        let message = try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let end = state.withLock { state in
                    if state.end == nil { state.requests[id] = continuation }
                    return state.end
                }
                if let end { return continuation.resume(throwing: end) }
                send(request, id)
                // A cancellation that came before the request was sent was told for nothing.
                if Task.isCancelled { cancel(id) }
            }
        } onCancel: {
            cancel(id)
        }
        let answer: Result<Answer, EngineError>
        do throws(ControlViolation) {
            if let error = try message.object("error") {
                answer = .failure(try EngineError(error))
            } else {
                answer = .success(try Answer(message.required(message.object("result"), "result")))
            }
        } catch {
            throw Self.failure(machine, error)
        }
        if case .failure = answer { try Task.checkCancellation() }
        return try answer.get()
    }

    private func cancel(_ id: UInt64) {
        let own = state.withLock { state in
            defer { state.next += 1 }
            return state.requests[id] == nil ? nil : state.next
        }
        if let own { send(.cancel(id), own) }
    }

    private func send(_ request: ControlRequest, _ id: UInt64) {
        var message = request.message
        message.members["id"] = .integer(id)
        let isSent = sending.withLock { _ in
            (try? socket.send(message.line, passing: message.descriptors)) != nil
        }
        // Whoever reads then meets the end, and every request that waits ends with it.
        if !isSent { socket.shutDown() }
    }

    private func read() {
        var lines = ControlLines(limit: Self.longestLine)
        var arrived: [ControlDescriptor] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        var reason = EngineError(
            .system,
            "the process that hosts machine '\(machine)' ended before it had answered; look at the machine's state "
                + "before you try again")
        do throws(ControlViolation) {
            reading: while true {
                switch socket.receive(into: &buffer) {
                case .end: break reading
                case .nothing: continue
                case .tooManyDescriptors: throw ControlViolation(description: "its host sent too many descriptors")
                case .bytes(let count, let descriptors):
                    arrived += descriptors
                    for line in try lines.feed(buffer[..<count]) {
                        try accept(ControlMessage(line: line, taking: &arrived))
                    }
                }
            }
        } catch {
            reason = Self.failure(machine, error)
            socket.shutDown()
        }
        end(reason)
    }

    /// What the host tells from now on, until the connection ends.
    func events() async throws -> AsyncStream<MachineEvent> {
        let (stream, continuation) = AsyncStream<MachineEvent>.makeStream(bufferingPolicy: .bufferingNewest(1024))
        let reader: Int? = state.withLock { state in
            guard state.end == nil else { return nil }
            state.nextReader += 1
            state.readers[state.nextReader] = continuation
            return state.nextReader
        }
        guard let reader else {
            continuation.finish()
            return stream
        }
        continuation.onTermination = { [weak self] _ in self?.state.withLock { $0.readers[reader] = nil } }
        let _: ControlDone = try await ask(.subscribe)
        return stream
    }

    private func accept(_ message: ControlMessage) throws(ControlViolation) {
        if let object = try message.object("event") {
            // What a newer host tells of and this program does not know is left out.
            guard let event = try MachineEvent(object) else { return }
            for reader in state.withLock({ Array($0.readers.values) }) { reader.yield(event) }
            return
        }
        guard let id: UInt64 = try message.integer("id") else {
            guard let error = try message.object("error") else { return }
            throw ControlViolation(
                description: "its host broke the connection off: \(try error.requiredText("message"))")
        }
        state.withLock { $0.requests.removeValue(forKey: id) }?.resume(returning: message)
    }

    private func end(_ reason: EngineError) {
        let (requests, waiters, readers) = state.withLock { state in
            state.end = reason
            defer { (state.requests, state.waiters, state.readers) = ([:], [], [:]) }
            return (Array(state.requests.values), state.waiters, Array(state.readers.values))
        }
        for reader in readers { reader.finish() }
        for request in requests { request.resume(throwing: reason) }
        for waiter in waiters { waiter.resume() }
    }

    /// Says that nothing more will be asked, and waits until the host has let the connection go.
    ///
    /// A host whose machine has no power lets go of the machine before that.
    func close() async {
        socket.shutDown(receiving: false)
        await withCheckedContinuation { continuation in
            let isOver = state.withLock { state in
                if state.end == nil { state.waiters.append(continuation) }
                return state.end != nil
            }
            if isOver { continuation.resume() }
        }
    }

    /// Breaks the connection off.
    func disconnect() {
        socket.shutDown()
    }
}

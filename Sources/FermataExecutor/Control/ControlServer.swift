// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

public import FermataEngine
import FermataModel
import Foundation
import Glibc
import Synchronization

/// Lets other processes of the same user act on a machine that this process hosts.
///
/// ```
///  serving ──close()──► closing ──► the host lets go of the machine ──► clients are answered and let go ──► closed
///     │                    ▲
///     └── the machine has no power and no client is left (when told to end with it)
/// ```
/// The machine is free before the last client's connection ends: who has waited for that end can take hold of it.
public final class ControlServer: Sendable {
    /// How many clients may be connected.
    static let mostConnections = 64

    private struct State {
        var connections: [Int: ControlConnection] = [:]
        var admitted = 0
        var isClosing = false
        var hasLetGo = false
        var waiters: [CheckedContinuation<Void, Never>] = []
    }

    private let host: MachineHost
    private let greeting: ControlGreeting
    private let address: ControlAddress
    private let listener: CInt
    private let endsWithMachine: Bool
    private let state = Mutex(State())

    /// Listens for clients of a machine that this process holds.
    ///
    /// - Parameter endsWithMachine: lets go of the machine once it has no power and the last client has gone.
    public init(for host: MachineHost, endsWithMachine: Bool = false) throws(EngineError) {
        greeting = ControlGreeting(machine: try host.folder.identity(), process: getpid())
        guard let address = try ControlAddress(of: host.folder, makingFolder: true) else {
            throw EngineError(.system, "the folder of control sockets disappeared while it was made")
        }
        self.host = host
        self.address = address
        self.endsWithMachine = endsWithMachine
        listener = try address.listen()
        Thread.detachNewThread { [self] in accept() }
        guard endsWithMachine else { return }
        let events = host.events()
        Task { [weak self] in
            for await event in events {
                if case .state(let state, _) = event.kind, !state.hasPower { await self?.closeIfUnused() }
            }
        }
    }

    deinit {
        Glibc.close(listener)
    }

    private func accept() {
        while true {
            let client = Glibc.accept(listener, nil, nil)
            if client >= 0 {
                let socket = ControlSocket(owning: client)
                if socket.peer == geteuid() { admit(socket) }
            } else if [EMFILE, ENFILE, ENOBUFS, ENOMEM].contains(errno) {
                // Nothing tells when there are descriptors again.
                usleep(100_000)
            } else if errno != EINTR, errno != ECONNABORTED {
                return
            }
        }
    }

    /// Serves a connected client; one too many is let go without a greeting.
    func admit(_ socket: ControlSocket) {
        let connection = ControlConnection(socket, to: host)
        let number: Int? = state.withLock { state in
            guard !state.isClosing, state.connections.count < Self.mostConnections else { return nil }
            state.admitted += 1
            state.connections[state.admitted] = connection
            return state.admitted
        }
        guard let number else { return }
        connection.send(ControlMessage(greeting.members))
        Thread.detachNewThread { [self] in
            connection.read()
            Task { await end(number, connection) }
        }
    }

    private func end(_ number: Int, _ connection: ControlConnection) async {
        await connection.finish()
        if endsWithMachine { await closeIfUnused(but: number) }
        await connection.close()
        let waiters = state.withLock { state in
            state.connections[number] = nil
            return Self.waitersOfTheEnd(&state)
        }
        for waiter in waiters { waiter.resume() }
        // Each of two clients that went together still saw the other one.
        if endsWithMachine { await closeIfUnused() }
    }

    /// Lets go of a machine without power that nobody asks anything of any more.
    private func closeIfUnused(but last: Int? = nil) async {
        let admitted = state.withLock(\.admitted)
        guard await !host.state.hasPower else { return }
        let isUnused = state.withLock { state in
            // A client that came meanwhile may have started the machine.
            guard !state.isClosing, state.admitted == admitted, state.connections.keys.allSatisfy({ $0 == last }) else {
                return false
            }
            state.isClosing = true
            return true
        }
        if isUnused { await letGo() }
    }

    /// Turns the machine off, lets go of it, and then of the clients, once they have their answers.
    public func close() async {
        let isFirst = state.withLock { state in
            defer { state.isClosing = true }
            return !state.isClosing
        }
        if isFirst { await letGo() }
        for connection in state.withLock({ $0.connections.values }) { connection.hangUp() }
        await waitUntilClosed()
    }

    /// Lets nobody in any more, and lets the clients go once they have their answers; the machine is not touched.
    func abandon() {
        let connections: [ControlConnection]? = state.withLock { state in
            // What was closed has let go of its socket, which may be another host's by now.
            guard !state.isClosing else { return nil }
            state.isClosing = true
            state.hasLetGo = true
            return Array(state.connections.values)
        }
        guard let connections else { return }
        stopListening()
        for connection in connections { connection.hangUp() }
    }

    private func letGo() async {
        stopListening()
        await host.close()
        let waiters = state.withLock { state in
            state.hasLetGo = true
            return Self.waitersOfTheEnd(&state)
        }
        for waiter in waiters { waiter.resume() }
    }

    private func stopListening() {
        address.remove()
        shutdown(listener, CInt(SHUT_RDWR))
    }

    /// Waits until the machine is let go of and no client is connected any more.
    public func waitUntilClosed() async {
        await withCheckedContinuation { continuation in
            let isClosed = state.withLock { state in
                let isClosed = state.hasLetGo && state.connections.isEmpty
                if !isClosed { state.waiters.append(continuation) }
                return isClosed
            }
            if isClosed { continuation.resume() }
        }
    }

    private static func waitersOfTheEnd(_ state: inout State) -> [CheckedContinuation<Void, Never>] {
        guard state.hasLetGo, state.connections.isEmpty else { return [] }
        defer { state.waiters = [] }
        return state.waiters
    }
}

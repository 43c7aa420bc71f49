// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

public import SystemPackage

/// Serves exports to NBD clients, each connection on threads of its own.
///
/// It knows block devices and the protocol, nothing of machines or formats. What one client does wrong ends that
/// client's connection and harms no other.
///
/// ```
///  serve(connection:export:) ──┐                        ┌► request thread ─► flush thread
///                              ├──► Connection ─────────┤
///  listen(at:exports:) ─► accept thread                 └► end event
/// ```
public final class NBDServer: Sendable {
    struct State: Sendable {
        var connections: [UInt64: Connection] = [:]
        var lastID: UInt64 = 0
        var listeners: [Listener] = []
        var isStopped = false

        /// Those that may have to give way to others.
        var guests: [Connection] { connections.values.filter(\.isGuest) }

        /// The thread that ended last; the next to end, or the stop, joins it.
        var unjoined: WorkerThread?
    }

    let limits: Limits
    let state = Monitor(State())
    private let onEnd: @Sendable (ConnectionEnd) -> Void

    /// Makes a server without clients.
    ///
    /// - Parameter onEnd: told of each connection that has closed, on that connection's thread; it must neither block
    ///   nor stop the server.
    public init(limits: Limits = Limits(), onEnd: @escaping @Sendable (ConnectionEnd) -> Void = { _ in }) {
        self.limits = limits
        self.onEnd = onEnd
    }

    deinit {
        state.withLock { $0.unjoined }?.detach()
    }

    /// Serves one export on a stream socket that is connected already, such as one end of a socket pair.
    ///
    /// The descriptor is the server's from now on, whether this succeeds or not. The connection is in addition to those
    /// that ``Limits/connections`` counts, and gives way to nobody.
    @discardableResult
    public func serve(connection: FileDescriptor, export: Export) throws(NBDError) -> Connection {
        try serve(connection, [export], isGuest: false)
    }

    /// Listens on a private Unix socket, and serves the exports to every client; the first is the default.
    ///
    /// The socket is made with mode 0600. One that nobody listens on is replaced; one with a live server is refused.
    public func listen(
        at path: FilePath, exports: [Export], in folder: SocketFolder = .private
    ) throws(NBDError) {
        guard !exports.isEmpty, Set(exports.map(\.name)).count == exports.count else {
            throw NBDError(.invalidAddress, name: path.string, detail: "needs exports of different names")
        }
        let listener = try Listener(ListeningSocket(path, folder), for: self, exports)
        let isStopped = state.withLock { state in
            if !state.isStopped {
                state.listeners.append(listener)
            }
            return state.isStopped
        }
        if isStopped {
            listener.stop()
            throw NBDError(.stopped, name: path.string, detail: "the server has been stopped")
        }
    }

    /// Stops: accepts no one, finishes the requests that have arrived, closes every connection, ends every thread.
    ///
    /// Every end event has been told when this returns. It waits for devices as long as they take.
    /// - Parameter limit: how long clients have to take their replies before they are cut off.
    public func stop(within limit: Duration = .seconds(5)) {
        let listeners = state.change { state in
            state.isStopped = true
            defer { state.listeners = [] }
            return state.listeners
        }
        for listener in listeners {
            listener.stop()
        }
        for connection in state.withLock({ Array($0.connections.values) }) {
            connection.stop()
        }
        if state.wait(within: limit, { $0.connections.isEmpty ? true : nil }) == nil {
            for connection in state.withLock({ Array($0.connections.values) }) {
                connection.abandon()
            }
        }
        let thread = state.wait { state -> WorkerThread?? in
            guard state.connections.isEmpty else {
                return nil
            }
            defer { state.unjoined = nil }
            return .some(state.unjoined)
        }
        thread??.join()
    }

    /// The number of connections that are served now.
    public var connectionCount: Int {
        state.withLock { $0.connections.count }
    }

    @discardableResult
    func serve(_ descriptor: FileDescriptor, _ exports: [Export], isGuest: Bool) throws(NBDError) -> Connection {
        let id = state.withLock { state in
            state.lastID += 1
            return state.lastID
        }
        let socket = try Socket(descriptor, name: "NBD connection \(id)")
        let connection = Connection(id: id, socket, exports, limits, isGuest: isGuest)
        let isStopped = state.withLock { state in
            if !state.isStopped {
                state.connections[id] = connection
            }
            return state.isStopped
        }
        do throws(NBDError) {
            guard !isStopped else {
                throw NBDError(.stopped, name: socket.name, detail: "the server has been stopped")
            }
            try WorkerThread.start(for: socket.name) { [self] in finish(connection, connection.run()) }
        } catch {
            socket.close()
            _ = state.change { $0.connections.removeValue(forKey: id) == nil }
            throw error
        }
        return connection
    }

    /// Tells of a connection's end, on its thread, and lets the thread go.
    private func finish(_ connection: Connection, _ end: ConnectionEnd) {
        connection.end(end)
        onEnd(end)
        let previous = state.change { state in
            state.connections[connection.id] = nil
            defer { state.unjoined = .current }
            return state.unjoined
        }
        previous?.join()
    }
}

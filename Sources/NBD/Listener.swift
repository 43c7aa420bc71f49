// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

internal import SystemPackage

/// The thread that accepts clients on one listening socket.
final class Listener: Sendable {
    private let socket: ListeningSocket
    private let thread: WorkerThread
    private let stopFlag: StopFlag
    private let server: NBDServer

    /// Starts to accept.
    init(_ socket: ListeningSocket, for server: NBDServer, _ exports: [Export]) throws(NBDError) {
        self.socket = socket
        self.server = server
        let stopFlag = StopFlag()
        self.stopFlag = stopFlag
        do {
            thread = try WorkerThread.start(for: "NBD listener") {
                Self.run(socket, server, exports, unless: stopFlag)
            }
        } catch {
            socket.remove()
            socket.close()
            throw error
        }
    }

    /// Accepts no one any more, removes the socket and ends the thread.
    func stop() {
        stopFlag.set()
        socket.remove()
        socket.shutDown()
        server.state.wakeAll()
        thread.join()
        socket.close()
    }

    /// Waits until fewer clients than so many are served, and lets the one go that is due to.
    ///
    /// - Parameter limit: how long to wait for that; nil waits as long as it takes.
    private static func makeRoom(
        below count: Int, in server: NBDServer, unless stopFlag: StopFlag, within limit: Duration? = nil
    ) {
        let hasRoom = { @Sendable (state: inout NBDServer.State) -> Bool? in
            stopFlag.isSet || state.guests.count < count ? true : nil
        }
        var leaving: Connection?
        while server.state.withLock(hasRoom) == nil {
            let now = Activity.now
            let guests = server.state.withLock(\.guests)
            let next = guests.map { ($0, $0.dueTime(at: now)) }.min { $0.1 < $1.1 }
            if let connection = leaving, guests.contains(where: { $0 === connection }) {
                // What it asked for in its last moment is still done, and nobody else need go meanwhile.
                connection.abandonUnread()
                _ = server.state.wait(within: server.limits.contendedStart, hasRoom)
            } else if let (connection, due) = next, due <= now {
                leaving = connection
                connection.giveWay()
                _ = server.state.wait(within: server.limits.contendedStart, hasRoom)
            } else {
                let patience = next.map { Duration.nanoseconds($0.1 - now) }
                _ = server.state.wait(within: [patience, limit].compactMap(\.self).min(), hasRoom)
            }
            guard limit == nil else { return }
        }
    }

    private static func run(
        _ socket: ListeningSocket, _ server: NBDServer, _ exports: [Export], unless stopFlag: StopFlag
    ) {
        while true {
            switch socket.accept() {
            case .client(let descriptor):
                makeRoom(below: server.limits.connections, in: server, unless: stopFlag)
                guard !stopFlag.isSet else {
                    try? descriptor.close()
                    return
                }
                // A client that cannot be served is gone already: its descriptor has been closed.
                _ = try? server.serve(descriptor, exports, isGuest: true)
            case .exhausted:
                // A connection that ends gives descriptors back; others of the process may do so too.
                let count = server.state.withLock { $0.guests.count }
                makeRoom(below: count, in: server, unless: stopFlag, within: .milliseconds(100))
            case .closed:
                return
            }
        }
    }
}

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

    /// Waits until one more client can be served, and ends one that has not chosen an export for it.
    private static func makeRoom(in server: NBDServer, unless stopFlag: StopFlag) {
        let limit = server.limits.connections
        let oldest = server.state.withLock { state -> Connection? in
            guard state.connections.count >= limit else {
                return nil
            }
            return state.connections.sorted { $0.key < $1.key }.first { $0.value.takeHandshake() }?.value
        }
        oldest?.giveWay()
        _ = server.state.wait { $0.connections.count < limit || stopFlag.isSet ? true : nil }
    }

    private static func run(
        _ socket: ListeningSocket, _ server: NBDServer, _ exports: [Export], unless stopFlag: StopFlag
    ) {
        while true {
            switch socket.accept() {
            case .client(let descriptor):
                makeRoom(in: server, unless: stopFlag)
                guard !stopFlag.isSet else {
                    try? descriptor.close()
                    return
                }
                // A client that cannot be served is gone already: its descriptor has been closed.
                _ = try? server.serve(descriptor, exports)
            case .exhausted:
                // A connection that ends gives descriptors back; others of the process may do so too.
                let count = server.connectionCount
                _ = server.state.wait(within: .milliseconds(100)) {
                    $0.connections.count < count || stopFlag.isSet ? true : nil
                }
            case .closed:
                return
            }
        }
    }
}

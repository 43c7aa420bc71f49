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

    /// Waits until one more client can be served; one that is slow to choose an export gives way to it.
    private static func makeRoom(in server: NBDServer, unless stopFlag: StopFlag) {
        let limits = server.limits
        while true {
            let (isFull, slowest) = server.state.withLock { state -> (Bool, Connection?) in
                guard state.connections.count >= limits.connections else { return (false, nil) }
                return (true, state.connections.values.filter(\.isInHandshake).min { $0.id < $1.id })
            }
            guard isFull, !stopFlag.isSet else { return }
            let left = slowest.map { limits.contendedHandshake - $0.began.duration(to: .now) }
            if let slowest, let left, left <= .zero {
                guard slowest.giveWay() else { continue }
            }
            _ = server.state.wait(within: left.flatMap { $0 > .zero ? $0 : nil }) {
                $0.connections.count < limits.connections || stopFlag.isSet ? true : nil
            }
        }
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

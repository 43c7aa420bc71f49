// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

internal import BlockStorage

/// One client's connection, served by a thread of its own.
public final class Connection: Sendable {
    /// The number that the server gave it.
    public let id: UInt64

    private let socket: Socket
    private let exports: [Export]
    private let limits: Limits
    private let stopFlag = StopFlag()
    /// Whether a listener accepted it, so that it may have to give way to another; else it was handed over.
    let isGuest: Bool
    private let ended = Monitor<ConnectionEnd?>(nil)

    init(id: UInt64, _ socket: Socket, _ exports: [Export], _ limits: Limits, isGuest: Bool) {
        self.id = id
        self.isGuest = isGuest
        self.socket = socket
        self.exports = exports
        self.limits = limits
    }

    /// Ends the connection once the requests that have arrived are done; returns at once.
    ///
    /// What an export holds back, or what waits for a barrier, is answered with ESHUTDOWN.
    public func stop() {
        stopFlag.set()
        for export in exports {
            export.state.wakeAll()
        }
        socket.shutDown(.receiving)
    }

    /// Waits until the connection has closed.
    ///
    /// - Returns: nil when the limit passed first.
    public func waitUntilClosed(within limit: Duration? = nil) -> ConnectionEnd? {
        ended.wait(within: limit) { $0 }
    }

    /// When another client can have its place, as things are at a time of ``Activity/now``.
    func dueTime(at now: Int64) -> Int64 {
        socket.activity.dueTime(at: now, limits)
    }

    /// Ends the connection because another one needs its place.
    func giveWay() {
        // Should a request arrive at this moment, it is still done.
        stop()
        abandonUnread()
    }

    /// Ends the connection if its client has replies to take, without regard to what has arrived.
    func abandonUnread() {
        if socket.activity.isSending { abandon() }
    }

    /// Ends the connection without regard to what has arrived.
    func abandon() {
        socket.shutDown(.both)
    }

    /// Serves the client to the end, on the calling thread.
    func run() -> ConnectionEnd {
        var reason = ConnectionEnd.Reason.finished
        do {
            var channel = Channel(socket, within: limits.handshake)
            var handshake = Handshake(exports, limits)
            if let session = try handshake.run(&channel) {
                var transmission = Transmission(session, unless: stopFlag)
                try transmission.run(&channel)
            }
        } catch {
            reason = .failed(error)
        }
        if stopFlag.isSet {
            reason = .stopped
        }
        socket.close()
        return ConnectionEnd(connection: id, reason: reason)
    }

    func end(_ end: ConnectionEnd) {
        ended.change { $0 = end }
    }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// How much one client may ask of a server.
public struct Limits: Hashable, Sendable {
    /// The clients of listeners that are served at once.
    ///
    /// A client beyond them gets the place of one that has asked for nothing in ``contendedStart``, or that has kept
    /// the server waiting for ``contendedIdle``, the longest first. Until then it waits.
    public var connections: Int
    /// The bytes that one option of the handshake may carry.
    public var optionLength: Int
    /// The options that one handshake may have.
    public var options: Int
    /// The time in which a client must get through the handshake.
    public var handshake: Duration
    /// The time in which it must do so, and send its first request, when another one waits for its place.
    public var contendedStart: Duration
    /// The time that it may then be idle, be in the middle of a message or take no replies while another one waits.
    ///
    /// A client whose requests are being done stays, however long they take.
    public var contendedIdle: Duration

    /// Makes limits; the defaults suit a disk's own clients.
    public init(
        connections: Int = 256, optionLength: Int = 64 << 10, options: Int = 256, handshake: Duration = .seconds(30),
        contendedStart: Duration = .seconds(2), contendedIdle: Duration = .seconds(30)
    ) {
        self.connections = max(1, connections)
        self.optionLength = max(0, optionLength)
        self.options = max(1, options)
        self.handshake = handshake
        self.contendedStart = contendedStart
        self.contendedIdle = max(.milliseconds(10), contendedIdle)
    }
}

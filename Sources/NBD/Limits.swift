// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// How much one client may ask of a server.
public struct Limits: Hashable, Sendable {
    /// The connections that a listener serves at once.
    ///
    /// A client beyond them waits until one has gone, or is slow to get through its handshake.
    public var connections: Int
    /// The bytes that one option of the handshake may carry.
    public var optionLength: Int
    /// The options that one handshake may have.
    public var options: Int
    /// The time in which a client must get through the handshake.
    public var handshake: Duration
    /// The time in which it must do so when another one waits for its place.
    public var contendedHandshake: Duration

    /// Makes limits; the defaults suit a disk's own clients.
    public init(
        connections: Int = 256, optionLength: Int = 64 << 10, options: Int = 256, handshake: Duration = .seconds(30),
        contendedHandshake: Duration = .seconds(2)
    ) {
        self.connections = max(1, connections)
        self.optionLength = max(0, optionLength)
        self.options = max(1, options)
        self.handshake = handshake
        self.contendedHandshake = contendedHandshake
    }
}

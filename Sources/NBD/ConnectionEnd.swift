// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// Tells that a connection has closed, and why.
public struct ConnectionEnd: Hashable, Sendable {
    /// Why a connection closed.
    public enum Reason: Hashable, Sendable {
        /// The client ended the session, or closed its end between two requests.
        case finished
        /// The server ended it.
        case stopped
        /// The client broke the protocol, left in the middle of a message, or could not be reached.
        case failed(NBDError)
    }

    /// The connection's ``Connection/id``.
    public var connection: UInt64
    /// Why it closed.
    public var reason: Reason

    /// Makes the event.
    public init(connection: UInt64, reason: Reason) {
        self.connection = connection
        self.reason = reason
    }
}

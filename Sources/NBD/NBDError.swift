// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

public import SystemPackage

/// Why an NBD connection, listener or export could not do what was asked.
public struct NBDError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The kind of failure; open, so that a new one breaks no caller.
    public struct Code: Hashable, Sendable {
        private enum Kind: Hashable, Sendable {
            case system, disconnected, protocolViolation, timedOut, stopped, addressInUse, notPrivate, invalidAddress
            case deviceMismatch
        }
        private let kind: Kind

        /// The system refused an operation.
        public static let system: Code = Code(kind: .system)
        /// The client went away in the middle of a message.
        public static let disconnected: Code = Code(kind: .disconnected)
        /// The client sent what the protocol forbids, or more than a limit allows.
        public static let protocolViolation: Code = Code(kind: .protocolViolation)
        /// Something did not happen within its limit.
        public static let timedOut: Code = Code(kind: .timedOut)
        /// The server has been stopped.
        public static let stopped: Code = Code(kind: .stopped)
        /// Another server listens there.
        public static let addressInUse: Code = Code(kind: .addressInUse)
        /// Other users could reach the socket's folder.
        public static let notPrivate: Code = Code(kind: .notPrivate)
        /// The path cannot be that of a socket.
        public static let invalidAddress: Code = Code(kind: .invalidAddress)
        /// A device differs from the one that it should take the place of.
        public static let deviceMismatch: Code = Code(kind: .deviceMismatch)
    }

    /// The kind of failure.
    public var code: Code
    /// What it concerns: a socket's path, an export, a connection.
    public var name: String
    /// What happened and what to do about it: the middle of the sentence.
    public var detail: String
    /// The system's own error, if it gave one.
    public var errno: Errno?

    /// Makes an error.
    public init(_ code: Code, name: String, detail: String, errno: Errno? = nil) {
        self.code = code
        self.name = name
        self.detail = detail
        self.errno = errno
    }

    /// One sentence: what happened, to what, and what to do.
    public var description: String {
        let reason = errno.map { ": \($0)" } ?? ""
        return "\(name): \(detail)\(reason)"
    }
}

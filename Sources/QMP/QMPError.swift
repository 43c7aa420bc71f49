// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// Why a machine's monitor did not do what it was asked.
public struct QMPError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The kind of failure; open, so that a new one breaks no caller.
    public struct Code: Hashable, Sendable {
        private enum Kind: Hashable, Sendable { case disconnected, timedOut, refused, malformed }
        private let kind: Kind

        /// The connection is gone.
        public static let disconnected: Code = Code(kind: .disconnected)
        /// No answer came in time.
        public static let timedOut: Code = Code(kind: .timedOut)
        /// The peer answered with an error.
        public static let refused: Code = Code(kind: .refused)
        /// The peer sent what the protocol does not allow.
        public static let malformed: Code = Code(kind: .malformed)
    }

    /// The kind of failure.
    public var code: Code
    /// The command or event concerned, if one is.
    public var command: String?
    /// What is wrong, in the peer's words where it gave any.
    public var detail: String

    /// Makes an error.
    public init(_ code: Code, command: String? = nil, detail: String) {
        self.code = code
        self.command = command
        self.detail = detail
    }

    /// One sentence: what happened, to what, and why.
    public var description: String {
        let subject = command.map { "QMP `\($0)`" } ?? "The QMP connection"
        switch code {
        case .disconnected: return "\(subject) got no answer because the connection ended: \(detail)"
        case .timedOut: return "\(subject) got no answer in time: \(detail)"
        case .refused: return "\(subject) was refused: \(detail)"
        default: return "\(subject) met an answer that is not QMP: \(detail)"
        }
    }
}

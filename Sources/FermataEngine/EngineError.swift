// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// Why the engine did not do what it was asked.
public struct EngineError: Error, Sendable, CustomStringConvertible {
    /// The kind of failure; open, so that a new one breaks no caller.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        private enum Kind: String, Hashable, Sendable {
            case notFound, exists, busy, wrongState, incompatible, damaged, notALab, system, guest, timeout, reverted
            case stale
        }
        private let kind: Kind

        /// The code's name.
        public var description: String { kind.rawValue }

        /// The code of a name; nil when there is none.
        public init?(_ name: String) {
            guard let kind = Kind(rawValue: name) else { return nil }
            self.kind = kind
        }

        private init(kind: Kind) {
            self.kind = kind
        }

        /// What was named does not exist.
        public static let notFound: Code = Code(kind: .notFound)
        /// What was to be made exists already.
        public static let exists: Code = Code(kind: .exists)
        /// Another process is using the machine.
        public static let busy: Code = Code(kind: .busy)
        /// The machine is not in a state that allows it.
        public static let wrongState: Code = Code(kind: .wrongState)
        /// A saved state does not fit the machine that was to take it.
        public static let incompatible: Code = Code(kind: .incompatible)
        /// A file of the store contradicts its format.
        public static let damaged: Code = Code(kind: .damaged)
        /// The folder is not a lab that this version can use.
        public static let notALab: Code = Code(kind: .notALab)
        /// The system refused an operation.
        public static let system: Code = Code(kind: .system)
        /// The guest did not do its part.
        public static let guest: Code = Code(kind: .guest)
        /// What was waited for did not come in time.
        public static let timeout: Code = Code(kind: .timeout)
        /// A revert ended what was under way.
        public static let reverted: Code = Code(kind: .reverted)
        /// What exists is no longer what the caller goes by.
        public static let stale: Code = Code(kind: .stale)
    }

    /// The kind of failure.
    public let code: Code
    /// One sentence: what happened, to what, and what to do.
    public let description: String
    /// The error below, if one caused it.
    public let underlying: (any Error)?

    /// Makes an error.
    public init(_ code: Code, _ description: String, underlying: (any Error)? = nil) {
        self.code = code
        self.description = description
        self.underlying = underlying
    }
}

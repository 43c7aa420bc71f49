// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

public import SystemPackage

/// Why bytes could not be read, written or kept.
public struct StorageError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The kind of failure; open, so that a new one breaks no caller.
    public struct Code: Hashable, Sendable {
        private enum Kind: Hashable, Sendable { case io, outOfRange, readOnly, noSpace, corrupt, cancelled }
        private let kind: Kind

        /// The system refused an operation.
        public static let io: Code = Code(kind: .io)
        /// The request lies outside the device.
        public static let outOfRange: Code = Code(kind: .outOfRange)
        /// The device or file takes no writes.
        public static let readOnly: Code = Code(kind: .readOnly)
        /// No space is left where the file lies.
        public static let noSpace: Code = Code(kind: .noSpace)
        /// The stored bytes contradict their format.
        public static let corrupt: Code = Code(kind: .corrupt)
        /// Whoever began the operation has ended it.
        public static let cancelled: Code = Code(kind: .cancelled)
    }

    /// The kind of failure.
    public var code: Code
    /// The file or device.
    public var name: String
    /// What was being done, and what is wrong: the middle of the sentence.
    public var detail: String
    /// The byte offset concerned, if one is.
    public var offset: UInt64?
    /// The system's own error, if it gave one.
    public var errno: Errno?

    /// Makes an error.
    public init(_ code: Code, name: String, detail: String, offset: UInt64? = nil, errno: Errno? = nil) {
        self.code = code
        self.name = name
        self.detail = detail
        self.offset = offset
        self.errno = errno
    }

    /// One sentence: what happened, to what, and why.
    public var description: String {
        let place = offset.map { " at offset \($0)" } ?? ""
        let reason = errno.map { ": \($0)" } ?? ""
        return "\(name): \(detail)\(place)\(reason)"
    }
}

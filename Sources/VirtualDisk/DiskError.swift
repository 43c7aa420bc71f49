// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

public import BlockStorage

/// Why a virtual disk cannot be opened, made or trusted.
public struct DiskError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The kind of failure; open, so that a new one breaks no caller.
    public struct Code: Hashable, Sendable {
        private enum Kind: Hashable, Sendable {
            case notADisk, malformed, unsupported, parentMissing, parentMismatch, outsideLab, cycle, tooDeep
            case sizeMismatch, invalidArgument, storage, unfinished, inUse, noSpace
        }
        private let kind: Kind

        /// The file is no disk of the expected format.
        public static let notADisk: Code = Code(kind: .notADisk)
        /// The file contradicts its format.
        public static let malformed: Code = Code(kind: .malformed)
        /// The file is valid, but of a sort that is not read.
        public static let unsupported: Code = Code(kind: .unsupported)
        /// The parent is nowhere to be found.
        public static let parentMissing: Code = Code(kind: .parentMissing)
        /// The file in the parent's place is another disk.
        public static let parentMismatch: Code = Code(kind: .parentMismatch)
        /// A path leads out of the lab, or through a link.
        public static let outsideLab: Code = Code(kind: .outsideLab)
        /// A disk is its own ancestor.
        public static let cycle: Code = Code(kind: .cycle)
        /// The chain has more disks than are followed.
        public static let tooDeep: Code = Code(kind: .tooDeep)
        /// Parent and child have different sizes.
        public static let sizeMismatch: Code = Code(kind: .sizeMismatch)
        /// An operation on the disk was interrupted and must be finished first.
        public static let unfinished: Code = Code(kind: .unfinished)
        /// Another disk or another command needs the disk as it is.
        public static let inUse: Code = Code(kind: .inUse)
        /// The operation needs more space than there is.
        public static let noSpace: Code = Code(kind: .noSpace)
        /// What was asked for cannot be.
        public static let invalidArgument: Code = Code(kind: .invalidArgument)
        /// The file could not be read or written.
        public static let storage: Code = Code(kind: .storage)
    }

    /// The kind of failure.
    public var code: Code
    /// The disk's file.
    public var path: String
    /// What is wrong and what to do: the rest of the sentence.
    public var detail: String
    /// The field of the format that is wrong, if one is.
    public var field: String?
    /// What the field should hold.
    public var expected: String?
    /// What the field holds.
    public var found: String?
    /// The failure beneath.
    public var underlying: StorageError?

    /// Makes an error.
    public init(
        _ code: Code, path: String, _ detail: String, field: String? = nil, expected: String? = nil,
        found: String? = nil, underlying: StorageError? = nil
    ) {
        self.code = code
        self.path = path
        self.detail = detail
        self.field = field
        self.expected = expected
        self.found = found
        self.underlying = underlying
    }

    /// One sentence: what happened, to what, and what to do.
    public var description: String {
        var facts: [String] = []
        if let field { facts.append(field) }
        if let expected { facts.append("expected \(expected)") }
        if let found { facts.append("found \(found)") }
        let context = facts.isEmpty ? "" : " (\(facts.joined(separator: ", ")))"
        return "\(path): \(detail)\(context)"
    }

    /// Wraps a failure to read or write.
    init(_ error: StorageError, path: String) {
        self.init(.storage, path: path, error.detail, underlying: error)
        if let errno = error.errno { detail += ": \(errno)" }
    }

    static func malformed(
        _ path: String, _ field: String, expected: String, found: some CustomStringConvertible
    ) -> DiskError {
        DiskError(
            .malformed, path: path, "the disk is damaged or was made by a faulty program", field: field,
            expected: expected, found: found.description)
    }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// Why a document could not be read: where in it, and one sentence.
public struct DocumentError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The kind of mistake.
    public let code: Code
    /// Where it stands, such as `steps[3].within` or `line 3, column 7`; empty for the document itself.
    public let path: String
    /// The sentence, without the path.
    public let message: String

    /// Makes an error.
    public init(_ code: Code, path: String, _ message: String) {
        self.code = code
        self.path = path
        self.message = message
    }

    /// The kinds of mistakes; more may come.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        /// The code's name.
        public let description: String

        private init(_ description: String) {
            self.description = description
        }

        /// The text is not JSON.
        public static let syntax: Code = Code("syntax")
        /// The document is of another format, or says of none.
        public static let format: Code = Code("format")
        /// The document is of a version that this build does not read.
        public static let version: Code = Code("version")
        /// A field that must be there is not.
        public static let missing: Code = Code("missing")
        /// A field that nobody knows.
        public static let unknownField: Code = Code("unknownField")
        /// A word that is not in the vocabulary.
        public static let unknownWord: Code = Code("unknownWord")
        /// A value of another type, or out of its range.
        public static let value: Code = Code("value")
    }

    /// `path: sentence`.
    public var description: String {
        path.isEmpty ? message : "\(path): \(message)"
    }
}

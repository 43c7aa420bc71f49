// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

public import FermataModel

/// Why a run did not come to its end.
public struct RunError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The kind of failure; open, so that a new one breaks no caller.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        /// The code's name.
        public let description: String

        private init(_ description: String) {
            self.description = description
        }

        /// A command, a console or a guest did not do what its step expects.
        public static let expectation: Code = Code("expectation")
        /// An operation could not be done.
        public static let operation: Code = Code("operation")
        /// What exists is no longer what the plan was made for.
        public static let stale: Code = Code("stale")
        /// Someone asked the run to stop.
        public static let interrupted: Code = Code("interrupted")
        /// The lab cannot be used.
        public static let lab: Code = Code("lab")
    }

    /// A text that helps to understand a failure.
    public struct Note: Hashable, Sendable {
        /// What it is, such as `stdout`.
        public var title: String
        /// The text, cut to its end.
        public var text: String
    }

    /// The kind of failure.
    public var code: Code
    /// One sentence: what happened, to what, and what to do.
    public var message: String
    /// Where the author wrote what failed.
    public var at: SourceLocation?
    /// The ends of what the command and the console said.
    public var notes: [Note]

    /// Makes an error.
    public init(_ code: Code, _ message: String, at: SourceLocation? = nil, notes: [Note] = []) {
        self.code = code
        self.message = message
        self.at = at
        self.notes = notes
    }

    /// `file:line: error: message`, and the notes, each under its title.
    public var description: String {
        (["\(at.map { "\($0): " } ?? "")error: \(message)"] + notes.map(\.description)).joined(separator: "\n")
    }
}

extension RunError.Note: CustomStringConvertible {
    /// The title, and the text indented beneath it.
    public var description: String {
        (["  \(title):"] + text.split(separator: "\n").map { "    \($0)" }).joined(separator: "\n")
    }
}

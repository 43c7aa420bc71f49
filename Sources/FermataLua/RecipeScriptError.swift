// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

public import FermataModel

/// Why a script gave no recipe.
public struct RecipeScriptError: Error, Sendable, CustomStringConvertible {
    /// The kind of failure.
    public var code: Code
    /// The line of the script where it happened.
    public var location: SourceLocation?
    /// What happened, to what, and what to do, in one sentence.
    public var message: String
    /// The calls that were running, innermost first.
    public var traceback: [Call]
    /// How many calls in the middle of a deep traceback are not in it.
    public var callsLeftOut: Int
    /// The error that is the cause.
    public var underlying: (any Error)?

    /// Makes an error.
    public init(
        _ code: Code, _ message: String, at location: SourceLocation? = nil, traceback: [Call] = [],
        callsLeftOut: Int = 0, underlying: (any Error)? = nil
    ) {
        self.code = code
        self.location = location
        self.message = message
        self.traceback = traceback
        self.callsLeftOut = callsLeftOut
        self.underlying = underlying
    }

    /// One call of a traceback.
    public struct Call: Hashable, Sendable, CustomStringConvertible {
        /// What was called, such as `in function 'set_up'`.
        public var place: String
        /// The line that was running in it, if it is a part of a script.
        public var location: SourceLocation?

        /// Makes a call.
        public init(_ place: String, at location: SourceLocation? = nil) {
            self.place = place
            self.location = location
        }

        /// One line, such as `web.lua:12: in function 'set_up'`.
        public var description: String {
            location.map { "\($0): \(place)" } ?? place
        }
    }

    /// The line for a terminal: `file:line: error: message`.
    public var description: String {
        let place = location.map { "\($0): " } ?? ""
        return "\(place)error: \(message)"
    }

    /// The description, followed by the traceback, one call a line, where it says more than the description does.
    public var report: String {
        guard showsTraceback else { return description }
        var lines = traceback.map { "    \($0)" }
        if callsLeftOut > 0 {
            lines.insert("    ... \(callsLeftOut) calls ...", at: min(Self.innermostCalls, lines.count))
        }
        return ([description, "traceback, innermost call first:"] + lines).joined(separator: "\n")
    }

    /// How many calls the runtime keeps before those that it leaves out.
    private static let innermostCalls: Int = 48

    private var showsTraceback: Bool {
        code == .runtime ? !traceback.isEmpty : traceback.filter { $0.location != nil }.count > 1
    }
}

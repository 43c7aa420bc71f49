// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// Why a script, or an operation on a Lua state, failed.
public struct LuaError: Error, Sendable, CustomStringConvertible {
    /// The kind of failure.
    public var code: Code
    /// What happened, without the position.
    public var message: String
    /// The line of the script where it happened.
    public var location: LuaLocation?
    /// The calls that were running, innermost first.
    public var traceback: [LuaFrame]
    /// How many calls in the middle of a deep traceback are not in it.
    public var framesLeftOut: Int
    /// The error of the host that is the cause.
    public var underlying: (any Error)?

    /// Makes an error; a host function that throws one without a location gets its caller's.
    public init(
        _ code: Code, _ message: String, at location: LuaLocation? = nil, traceback: [LuaFrame] = [],
        framesLeftOut: Int = 0, underlying: (any Error)? = nil
    ) {
        self.code = code
        self.message = message
        self.location = location
        self.traceback = traceback
        self.framesLeftOut = framesLeftOut
        self.underlying = underlying
    }

    /// One sentence with its position, such as `web.lua:12: attempt to call a nil value (global 'machin')`.
    public var description: String {
        location.map { "\($0): \(message)" } ?? message
    }

    /// The description, followed by the traceback, one call a line.
    public var report: String {
        guard !traceback.isEmpty else { return description }
        var lines = traceback.map { "    \($0)" }
        if framesLeftOut > 0 {
            lines.insert("    ... \(framesLeftOut) calls ...", at: min(48, lines.count))
        }
        return ([description, "traceback, innermost call first:"] + lines).joined(separator: "\n")
    }
}

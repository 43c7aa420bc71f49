// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// A call of a host function by a script.
public struct LuaCall {
    /// The name under which the host function was made, for messages.
    public let name: String
    /// The arguments; for a method, those after the object.
    public let arguments: [LuaValue]
    /// The line of the script that is calling.
    public let location: LuaLocation?
    /// The state, to make values and call functions with.
    public let context: LuaContext

    /// The argument at a position counted from 0; nil beyond the last.
    public subscript(_ index: Int) -> LuaValue {
        arguments.indices.contains(index) ? arguments[index] : .nil
    }

    /// How many arguments there are.
    public var count: Int { arguments.count }

    /// Returns the calls that are running, innermost first: this one and its callers.
    public func traceback() -> [LuaFrame] {
        context.runningCalls()
    }

    /// Returns the error for an argument that is not what it should be.
    public func argumentError(_ index: Int, expected: String) -> LuaError {
        let got = arguments.indices.contains(index) ? arguments[index].kindDescription : "no value"
        let place = "bad argument #\(index + 1) to '\(name)'"
        return LuaError(.argument, "\(place): expected \(expected), got \(got)", at: location)
    }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

extension LuaCall {
    /// Returns the argument's text.
    public func string(_ index: Int) throws(LuaError) -> String {
        guard case .string(let value) = self[index] else { throw argumentError(index, expected: "a string") }
        guard let text = value.text else {
            let place = "bad argument #\(index + 1) to '\(name)'"
            throw LuaError(.argument, "\(place): the string is not UTF-8 text", at: location)
        }
        return text
    }

    /// Returns the argument's bytes.
    public func bytes(_ index: Int) throws(LuaError) -> LuaString {
        guard let value = self[index].bytesValue else { throw argumentError(index, expected: "a string") }
        return value
    }

    /// Returns the argument's integer; a float that is one will do.
    public func integer(_ index: Int) throws(LuaError) -> Int64 {
        guard let value = self[index].integerValue else { throw argumentError(index, expected: "an integer") }
        return value
    }

    /// Returns the argument's number.
    public func number(_ index: Int) throws(LuaError) -> Double {
        guard let value = self[index].numberValue else { throw argumentError(index, expected: "a number") }
        return value
    }

    /// Returns the argument's truth value.
    public func boolean(_ index: Int) throws(LuaError) -> Bool {
        guard let value = self[index].booleanValue else { throw argumentError(index, expected: "a boolean") }
        return value
    }

    /// Returns the argument's table.
    public func table(_ index: Int) throws(LuaError) -> LuaTable {
        guard let value = self[index].tableValue else { throw argumentError(index, expected: "a table") }
        return value
    }

    /// Returns the argument's function.
    public func function(_ index: Int) throws(LuaError) -> LuaFunction {
        guard let value = self[index].functionValue else { throw argumentError(index, expected: "a function") }
        return value
    }

    /// Returns the argument's host object; `expected` is its type for the message, such as `a machine`.
    public func object<Object: AnyObject>(
        _ index: Int, as type: Object.Type = Object.self, expected: String
    ) throws(LuaError) -> Object {
        guard let value = self[index].object(as: type) else { throw argumentError(index, expected: expected) }
        return value
    }

    /// Returns nil for an argument that is nil or left out, else what `read` makes of it.
    public func optional<Value>(
        _ index: Int, _ read: (Int) throws(LuaError) -> Value
    ) throws(LuaError) -> Value? {
        self[index].isNil ? nil : try read(index)
    }

    /// Refuses more arguments than the function takes.
    public func expect(atMost maximum: Int) throws(LuaError) {
        guard count <= maximum else {
            let plural = maximum == 1 ? "argument" : "arguments"
            throw LuaError(.argument, "'\(name)' takes at most \(maximum) \(plural), got \(count)", at: location)
        }
    }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// A value of Lua.
///
/// Strings and numbers are values of their own; tables, functions, userdata and coroutines are references into the
/// state that they come from.
public enum LuaValue: Hashable {
    /// No value.
    case `nil`
    /// A truth value.
    case boolean(Bool)
    /// A number of the integer subtype.
    case integer(Int64)
    /// A number of the float subtype.
    case number(Double)
    /// A string of bytes.
    case string(LuaString)
    /// A table.
    case table(LuaTable)
    /// A function, Lua's or the host's.
    case function(LuaFunction)
    /// A host object.
    case userdata(LuaUserdata)
    /// A coroutine.
    case thread(LuaThread)

    /// Makes a string of text.
    public init(_ text: String) {
        self = .string(LuaString(text))
    }

    /// The name of the type, as Lua's `type` gives it.
    public var typeName: String {
        switch self {
        case .nil: "nil"
        case .boolean: "boolean"
        case .integer, .number: "number"
        case .string: "string"
        case .table: "table"
        case .function: "function"
        case .userdata: "userdata"
        case .thread: "thread"
        }
    }

    /// The value with an article, for messages: a userdata by its own type's name.
    public var kindDescription: String {
        switch self {
        case .nil: return "nil"
        case .integer: return "an integer"
        case .userdata(let userdata):
            let name = userdata.typeName
            return "aeiou".contains(name.first ?? "u") ? "an \(name)" : "a \(name)"
        default: return "a \(typeName)"
        }
    }
}

extension LuaValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral {
    /// Makes a string of text.
    public init(stringLiteral value: String) { self.init(value) }
    /// Makes an integer.
    public init(integerLiteral value: Int64) { self = .integer(value) }
    /// Makes a float.
    public init(floatLiteral value: Double) { self = .number(value) }
}

extension LuaValue: ExpressibleByBooleanLiteral, ExpressibleByNilLiteral {
    /// Makes a truth value.
    public init(booleanLiteral value: Bool) { self = .boolean(value) }
    /// Makes nil.
    public init(nilLiteral: ()) { self = .nil }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

extension LuaValue {
    /// Whether the value is nil.
    public var isNil: Bool { self == .nil }

    /// The truth value, if it is one.
    public var booleanValue: Bool? {
        if case .boolean(let value) = self { value } else { nil }
    }

    /// The integer, or the float that is one.
    public var integerValue: Int64? {
        switch self {
        case .integer(let value): value
        case .number(let value): Int64(exactly: value)
        default: nil
        }
    }

    /// The number as a float.
    public var numberValue: Double? {
        switch self {
        case .integer(let value): Double(value)
        case .number(let value): value
        default: nil
        }
    }

    /// The bytes of a string.
    public var bytesValue: LuaString? {
        if case .string(let value) = self { value } else { nil }
    }

    /// The text of a string that is UTF-8.
    public var stringValue: String? { bytesValue?.text }

    /// The table, if it is one.
    public var tableValue: LuaTable? {
        if case .table(let value) = self { value } else { nil }
    }

    /// The function, if it is one.
    public var functionValue: LuaFunction? {
        if case .function(let value) = self { value } else { nil }
    }

    /// The userdata, if it is one.
    public var userdataValue: LuaUserdata? {
        if case .userdata(let value) = self { value } else { nil }
    }

    /// The host object of a userdata, if it is one of that type.
    public func object<Object: AnyObject>(as type: Object.Type = Object.self) -> Object? {
        userdataValue?.object as? Object
    }
}

extension LuaValue: CustomStringConvertible {
    /// The value for people: strings in quotes, objects by their type.
    public var description: String {
        switch self {
        case .nil: "nil"
        case .boolean(let value): "\(value)"
        case .integer(let value): "\(value)"
        case .number(let value): "\(value)"
        case .string(let value): "\"\(value)\""
        case .table, .function, .thread: typeName
        case .userdata(let value): value.typeName
        }
    }
}

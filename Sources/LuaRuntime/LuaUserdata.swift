// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// A host object in a Lua state.
public struct LuaUserdata: Hashable {
    let reference: LuaReference
    let box: HostObject

    /// The object.
    public var object: AnyObject { box.object }
    /// The name of its type, as scripts see it.
    public var typeName: String { box.typeName }

    /// Compares identities in Lua.
    public static func == (a: LuaUserdata, b: LuaUserdata) -> Bool { a.reference == b.reference }

    /// Hashes the identity in Lua.
    public func hash(into hasher: inout Hasher) { hasher.combine(reference) }
}

/// What a userdata's memory in Lua points to.
final class HostObject {
    let object: AnyObject
    let typeName: String

    init(_ object: AnyObject, typeName: String) {
        self.object = object
        self.typeName = typeName
    }
}

/// What a host function's memory in Lua points to.
final class HostFunction {
    let name: String
    let body: (LuaCall) throws -> [LuaValue]

    init(name: String, body: @escaping (LuaCall) throws -> [LuaValue]) {
        self.name = name
        self.body = body
    }
}

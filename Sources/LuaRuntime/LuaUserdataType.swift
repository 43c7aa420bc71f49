// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import CLuaShims

/// How scripts see the host's objects of one class: their methods, fields and operators.
public final class LuaUserdataType<Object: AnyObject> {
    /// A method or operator: gets the object, and the call with the arguments after it.
    public typealias Method = (Object, LuaCall) throws -> [LuaValue]

    /// The name that messages use, such as `machine`.
    public let name: String
    private var methods: [String: Method] = [:]
    private var fields: [String: (Object) throws -> LuaValue] = [:]
    private var setters: [String: (Object, LuaValue, LuaCall) throws -> Void] = [:]
    private var operators: [String: Method] = [:]
    private var unknownField: ((Object, String) -> String?)?

    /// Makes a type without any method.
    public init(_ name: String) {
        self.name = name
    }

    /// Adds a method, called as `object:name(...)`.
    @discardableResult
    public func method(_ name: String, _ body: @escaping Method) -> Self {
        methods[name] = body
        return self
    }

    /// Adds a field, read as `object.name`, and written if `set` is given.
    @discardableResult
    public func field(
        _ name: String, get: @escaping (Object) throws -> LuaValue,
        set: ((Object, LuaValue, LuaCall) throws -> Void)? = nil
    ) -> Self {
        fields[name] = get
        setters[name] = set
        return self
    }

    /// Lets objects be called: `object(...)`, `object "text"`, `object { ... }`.
    @discardableResult
    public func call(_ body: @escaping Method) -> Self {
        operators["__call"] = body
        return self
    }

    /// Gives the text that `tostring` and `print` show; without it, the name and a number.
    @discardableResult
    public func text(_ body: @escaping (Object) throws -> String) -> Self {
        operators["__tostring"] = { object, _ in [LuaValue(try body(object))] }
        return self
    }

    /// Replaces the hint that an unknown field's error ends with; without it, the nearest name is suggested.
    @discardableResult
    public func suggestion(_ body: @escaping (Object, String) -> String?) -> Self {
        unknownField = body
        return self
    }

    /// The names of all methods and fields.
    public var names: [String] { (Array(methods.keys) + Array(fields.keys)).sorted() }
}

extension LuaUserdataType {
    /// Makes the type's metatable in a state.
    func metatable(in context: LuaContext) throws(LuaError) -> LuaTable {
        let metatable = try context.makeTable()
        let table = try context.makeTable(fields: methods.count)
        for (name, body) in methods.sorted(by: { $0.key < $1.key }) {
            try table.rawSet(LuaValue(name), .function(method(name, body, in: context)))
        }
        for (name, body) in operators.sorted(by: { $0.key < $1.key }) {
            try metatable.rawSet(LuaValue(name), .function(method(self.name, body, in: context)))
        }
        try metatable.rawSet("__name", LuaValue(name))
        try metatable.rawSet("__newindex", .function(writer(in: context)))
        let reader = try reader(in: context)
        try context.check(
            unsafe flua_seal(
                context.open(), metatable.reference.slot, table.reference.slot, reader.reference.slot))
        return metatable
    }

    private func method(
        _ name: String, _ body: @escaping Method, in context: LuaContext
    ) throws(LuaError) -> LuaFunction {
        let typeName = self.name
        return try context.makeFunction(name) { call in
            guard let object = call[0].object(as: Object.self) else {
                throw LuaError(
                    .argument,
                    "'\(name)' got \(call[0].kindDescription) in place of its \(typeName): "
                        + "write ':' before '\(name)', not '.'")
            }
            return try body(object, call.droppingFirst())
        }
    }

    private func reader(in context: LuaContext) throws(LuaError) -> LuaFunction {
        try context.makeFunction(name) { [self] call in
            guard let object = call[0].object(as: Object.self) else { return [.nil] }
            guard let key = call[1].stringValue, let field = fields[key] else { throw unknown(call[1], of: object) }
            return [try field(object)]
        }
    }

    private func writer(in context: LuaContext) throws(LuaError) -> LuaFunction {
        try context.makeFunction(name) { [self] call in
            guard let object = call[0].object(as: Object.self) else { return [] }
            guard let key = call[1].stringValue else { throw unknown(call[1], of: object) }
            guard let set = setters[key] else {
                guard methods[key] == nil && fields[key] == nil else {
                    throw LuaError(.field, "'\(key)' of a \(name) cannot be set")
                }
                throw unknown(call[1], of: object)
            }
            try set(object, call[2], call)
            return []
        }
    }

    private func unknown(_ key: LuaValue, of object: Object) -> LuaError {
        guard let field = key.stringValue else {
            return LuaError(.field, "a \(name) has no field \(key)")
        }
        let nearest = unknownField.map { $0(object, field) } ?? LuaSuggestion.nearest(to: field, among: names)
        let hint = nearest.map { "; did you mean '\($0)'?" } ?? ""
        return LuaError(.field, "no field '\(field)' in a \(name)\(hint)")
    }
}

extension LuaContext {
    /// Makes a userdata: scripts see the object as the type says, and keep it alive.
    public func makeUserdata<Object: AnyObject>(
        _ object: Object, type: LuaUserdataType<Object>
    ) throws(LuaError) -> LuaValue {
        let metatable: LuaTable
        if let known = types[ObjectIdentifier(type)]?.metatable {
            metatable = known
        } else {
            metatable = try type.metatable(in: self)
            types[ObjectIdentifier(type)] = (type, metatable)
        }
        let state = try unsafe open()
        let box = HostObject(object, typeName: type.name)
        let retained = unsafe Unmanaged.passRetained(box)
        var slot: Int32 = 0
        var taken: Int32 = 0
        let reason = unsafe flua_new_userdata(state, retained.toOpaque(), metatable.reference.slot, &slot, &taken)
        if taken == 0 {
            unsafe retained.release()
        }
        try check(reason)
        return .userdata(LuaUserdata(reference: reference(slot), box: box))
    }
}

extension LuaCall {
    /// The call without its first argument: a method's without its object.
    func droppingFirst() -> LuaCall {
        LuaCall(name: name, arguments: Array(arguments.dropFirst()), location: location, context: context)
    }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import CLuaShims

extension LuaContext {
    func call(_ function: LuaReference, _ arguments: [LuaValue]) throws(LuaError) -> [LuaValue] {
        let state = try unsafe open()
        return try unsafe operate(with: arguments) { unsafe flua_call(state, function.slot, $0) }
    }

    func get(_ table: LuaReference, _ key: LuaValue, raw: Bool) throws(LuaError) -> LuaValue {
        let state = try unsafe open()
        let results = try unsafe operate(with: [key]) { unsafe flua_get(state, table.slot, $0, raw ? 1 : 0) }
        return results.first ?? .nil
    }

    func set(_ table: LuaReference, _ key: LuaValue, _ value: LuaValue, raw: Bool) throws(LuaError) {
        let state = try unsafe open()
        _ = try unsafe operate(with: [key, value]) { unsafe flua_set(state, table.slot, $0, raw ? 1 : 0) }
    }

    func length(_ table: LuaReference, raw: Bool) throws(LuaError) -> Int {
        var length: Int64 = 0
        try check(unsafe flua_length(open(), table.slot, raw ? 1 : 0, &length))
        return Int(length)
    }

    func keys(_ table: LuaReference) throws(LuaError) -> [LuaValue] {
        var slot: Int32 = 0
        var count: Int64 = 0
        try check(unsafe flua_keys(open(), table.slot, &slot, &count))
        return try LuaTable(reference: reference(slot)).list()
    }

    /// Pushes values onto the current thread's stack, where they stay.
    func push(_ values: [LuaValue]) throws(LuaError) {
        let state = try unsafe open()
        try check(try unsafe withArguments(values) { unsafe flua_push(state, $0) })
    }

    /// Runs an operation and takes its results off the stack.
    func operate(
        with values: [LuaValue], _ body: (UnsafePointer<flua_values>) -> Int32
    ) throws(LuaError) -> [LuaValue] {
        try holdingOpen { () throws(LuaError) in try unsafe takeResults(of: body, with: values) }
    }

    private func takeResults(
        of body: (UnsafePointer<flua_values>) -> Int32, with values: [LuaValue]
    ) throws(LuaError) -> [LuaValue] {
        let state = try unsafe open()
        guard let thread = unsafe flua_current(state) else { return [] }
        let base = unsafe flua_top(thread)
        try check(try unsafe withArguments(values, body))
        defer { unsafe flua_set_top(thread, base) }
        var results: [LuaValue] = []
        let top = unsafe flua_top(thread)
        if top > base {
            results.reserveCapacity(Int(top - base))
            for index in (base + 1)...top {
                results.append(try unsafe read(thread, index))
            }
        }
        return results
    }

    /// Reads a value that lies on a thread's stack.
    func read(_ thread: OpaquePointer, _ index: Int32) throws(LuaError) -> LuaValue {
        var value = unsafe flua_value()
        unsafe flua_read(thread, index, &value)
        switch unsafe flua_kind(UInt32(value.kind)) {
        case FLUA_BOOLEAN: return unsafe .boolean(value.integer != 0)
        case FLUA_INTEGER: return unsafe .integer(value.integer)
        case FLUA_NUMBER: return unsafe .number(value.number)
        case FLUA_STRING:
            return unsafe .string(LuaString(bytes: UnsafeRawBufferPointer(start: value.bytes, count: value.length)))
        case FLUA_TABLE: return .table(LuaTable(reference: try unsafe keep(index, value)))
        case FLUA_FUNCTION: return .function(LuaFunction(reference: try unsafe keep(index, value)))
        case FLUA_THREAD: return .thread(LuaThread(reference: try unsafe keep(index, value)))
        case FLUA_USERDATA:
            guard let object = unsafe value.object else { return .nil }
            let box = unsafe Unmanaged<AnyObject>.fromOpaque(object).takeUnretainedValue()
            guard let box = box as? HostObject else { return .nil }
            return .userdata(LuaUserdata(reference: try unsafe keep(index, value), box: box))
        default: return .nil
        }
    }

    private func keep(_ index: Int32, _ value: flua_value) throws(LuaError) -> LuaReference {
        var slot: Int32 = 0
        try check(unsafe flua_keep(open(), index, &slot))
        return unsafe LuaReference(context: self, slot: slot, identity: UInt(bitPattern: value.identity))
    }

    /// A reference that an operation made.
    func reference(_ slot: Int32) -> LuaReference {
        let identity = unsafe state.map { unsafe flua_identity($0, slot) } ?? 0
        return LuaReference(context: self, slot: slot, identity: UInt(identity))
    }

    /// Lays values out for C for the length of a call.
    private func withArguments(
        _ values: [LuaValue], _ body: (UnsafePointer<flua_values>) -> Int32
    ) throws(LuaError) -> Int32 {
        var bytes: [UInt8] = []
        var laidOut: [flua_value] = unsafe []
        unsafe laidOut.reserveCapacity(values.count)
        for value in values {
            unsafe laidOut.append(try unsafe layOut(value, &bytes))
        }
        let count = Int32(clamping: values.count)
        return unsafe laidOut.withUnsafeBufferPointer { laidOut in
            unsafe bytes.withUnsafeBytes { bytes in
                var arguments = unsafe flua_values(
                    values: laidOut.baseAddress, count: count,
                    bytes: bytes.baseAddress?.assumingMemoryBound(to: CChar.self))
                return unsafe body(&arguments)
            }
        }
    }

    private func layOut(_ value: LuaValue, _ bytes: inout [UInt8]) throws(LuaError) -> flua_value {
        var result = unsafe flua_value()
        switch value {
        case .nil: unsafe result.kind = Int32(FLUA_NIL.rawValue)
        case .boolean(let value):
            unsafe result.kind = Int32(FLUA_BOOLEAN.rawValue)
            unsafe result.integer = value ? 1 : 0
        case .integer(let value):
            unsafe result.kind = Int32(FLUA_INTEGER.rawValue)
            unsafe result.integer = value
        case .number(let value):
            unsafe result.kind = Int32(FLUA_NUMBER.rawValue)
            unsafe result.number = value
        case .string(let value):
            unsafe result.kind = Int32(FLUA_STRING.rawValue)
            unsafe result.integer = Int64(bytes.count)
            unsafe result.length = value.bytes.count
            bytes += value.bytes
        case .table(let table): unsafe result = try unsafe layOut(table.reference, FLUA_TABLE)
        case .function(let function): unsafe result = try unsafe layOut(function.reference, FLUA_FUNCTION)
        case .userdata(let userdata): unsafe result = try unsafe layOut(userdata.reference, FLUA_USERDATA)
        case .thread(let thread): unsafe result = try unsafe layOut(thread.reference, FLUA_THREAD)
        }
        return unsafe result
    }

    private func layOut(_ reference: LuaReference, _ kind: flua_kind) throws(LuaError) -> flua_value {
        guard reference.context === self else {
            throw LuaError(.unusable, "a value of one Lua state cannot be used in another: make it there")
        }
        var result = unsafe flua_value()
        unsafe result.kind = Int32(kind.rawValue)
        unsafe result.integer = Int64(reference.slot)
        return unsafe result
    }
}

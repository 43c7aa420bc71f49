// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// A function of a Lua state, written in Lua or by the host.
public struct LuaFunction: Hashable {
    let reference: LuaReference

    /// Calls the function and returns what it returns.
    ///
    /// Called from the outside, it has the state's whole budget; called from a host function, it shares its script's.
    @discardableResult
    public func call(_ arguments: [LuaValue] = []) throws(LuaError) -> [LuaValue] {
        try reference.context.call(reference, arguments)
    }
}

/// A coroutine of a Lua state.
public struct LuaThread: Hashable {
    let reference: LuaReference
}

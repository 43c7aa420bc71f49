// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import CLuaShims

extension LuaContext {
    /// Runs a host function for the C frame that called it: leaves its results, or what to raise, on the stack.
    ///
    /// Nothing here raises a Lua error; the C frame does so once this one is gone.
    func enter(_ function: HostFunction, thread: OpaquePointer, count: Int32) -> Int32 {
        let location = callerLocation()
        do {
            var arguments: [LuaValue] = []
            arguments.reserveCapacity(Int(count))
            for index in 0..<count {
                arguments.append(try unsafe read(thread, index + 1))
            }
            let call = LuaCall(name: function.name, arguments: arguments, location: location, context: self)
            let results = try function.body(call)
            try push(results)
            return Int32(clamping: results.count)
        } catch {
            return raise(error, from: location)
        }
    }

    /// Leaves the text of an error for the script, and remembers the error for when the script does not catch it.
    private func raise(_ error: any Error, from location: LuaLocation?) -> Int32 {
        var luaError = error as? LuaError ?? LuaError(.host, String(describing: error), underlying: error)
        luaError.location = luaError.location ?? location
        let text = luaError.description
        thrown.append((text: text, error: luaError))
        if thrown.count > 4 {
            thrown.removeFirst()
        }
        // When this fails it has reached a limit, which the C frame raises instead.
        try? push([LuaValue(text)])
        return FLUA_RAISE
    }

    /// The script's line that is running.
    func callerLocation() -> LuaLocation? {
        guard let state = unsafe state else { return nil }
        var line: Int32 = 0
        guard let chunk = unsafe flua_where(state, &line) else { return nil }
        return unsafe LuaLocation(chunk: String(cString: chunk), line: Int(line))
    }

    /// The calls that are running, innermost first.
    func runningCalls() -> [LuaFrame] {
        guard let state = unsafe state else { return [] }
        unsafe flua_take_traceback(state)
        return unsafe flua_last_failure(state).map { unsafe Self.frames(of: $0.pointee) } ?? []
    }
}

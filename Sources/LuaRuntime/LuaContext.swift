// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import CLuaShims

/// A live Lua state, as host functions and values see it: makes tables, functions and userdata.
///
/// `LuaState` owns it. Values that outlive their state are harmless: using them throws `unusable`.
@safe
public final class LuaContext {
    /// The C side, until the state is closed.
    var state: OpaquePointer?
    /// References to let go of when the state is next used.
    var releasedSlots: [Int32] = []
    /// The last errors that host functions threw, by the text that the script sees in their place.
    var thrown: [(text: String, error: LuaError)] = []
    /// The metatables of the userdata types in use.
    var types: [ObjectIdentifier: (type: AnyObject, metatable: LuaTable)] = [:]
    /// How many calls into Lua are under way.
    var nesting: Int = 0
    private var closesAfterCall: Bool = false
    let limits: LuaLimits
    let cancellation: LuaCancellation

    init(limits: LuaLimits, seed: Int64, cancellation: LuaCancellation, fault: AllocationFault) throws(LuaError) {
        self.limits = limits
        self.cancellation = cancellation
        var host = unsafe flua_host(
            owner: Unmanaged.passUnretained(self).toOpaque(),
            call: { owner, object, thread, count in
                guard let owner = unsafe owner, let object = unsafe object, let thread = unsafe thread else { return 0 }
                let context = unsafe Unmanaged<LuaContext>.fromOpaque(owner).takeUnretainedValue()
                let function = unsafe Unmanaged<HostFunction>.fromOpaque(object).takeUnretainedValue()
                return unsafe context.enter(function, thread: thread, count: count)
            },
            release: { object in
                if let object = unsafe object { unsafe Unmanaged<AnyObject>.fromOpaque(object).release() }
            },
            interrupted: { owner in
                guard let owner = unsafe owner else { return 0 }
                let context = unsafe Unmanaged<LuaContext>.fromOpaque(owner).takeUnretainedValue()
                return context.cancellation.isCancelled ? 1 : 0
            })
        var budget = flua_limits(
            memory: limits.memory.map { max(1, $0) } ?? 0,
            steps: Int64(limits.instructions.map { max(1, $0) } ?? 0),
            nanoseconds: limits.time.map { max(1, $0.nanoseconds) } ?? 0)
        unsafe state = flua_open(&host, &budget, seed, fault.first, fault.count)
        guard unsafe state != nil else {
            throw LuaError(.memoryLimit, "memory does not suffice for a Lua state: raise its memory limit")
        }
    }

    deinit {
        close()
    }

    /// Ends the state and returns how many bytes it failed to give back.
    @discardableResult
    func close() -> Int {
        guard let closing = unsafe state else { return 0 }
        guard nesting == 0, unsafe flua_busy(closing) == 0 else {
            // The state is in the middle of a call: it ends with it.
            closesAfterCall = true
            return 0
        }
        // Objects that go down with the state may use it no more.
        unsafe state = nil
        types = [:]
        thrown = []
        return unsafe flua_close(closing)
    }

    /// Keeps the state open for as long as a call into Lua takes.
    func holdingOpen<Result>(_ body: () throws(LuaError) -> Result) throws(LuaError) -> Result {
        nesting += 1
        defer {
            nesting -= 1
            if closesAfterCall {
                close()
            }
        }
        return try body()
    }

    /// Returns the state after letting go of what was released since it was last used.
    func open() throws(LuaError) -> OpaquePointer {
        guard let state = unsafe state else {
            throw LuaError(.unusable, "the Lua state is closed: make a new one")
        }
        while let slot = releasedSlots.popLast() {
            unsafe flua_forget(state, slot)
        }
        return unsafe state
    }
}

/// Which allocations of a state fail, counted from 1: for tests of what then happens.
package struct AllocationFault: Sendable {
    package var first: Int64
    package var count: Int64

    package init(first: Int64, count: Int64) {
        self.first = first
        self.count = count
    }

    package static let none: AllocationFault = AllocationFault(first: 0, count: 0)
}

extension Duration {
    fileprivate var nanoseconds: Int64 {
        let (seconds, attoseconds) = components
        let (whole, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        let (sum, carry) = whole.addingReportingOverflow(attoseconds / 1_000_000_000)
        return overflow || carry ? Int64.max : sum
    }
}

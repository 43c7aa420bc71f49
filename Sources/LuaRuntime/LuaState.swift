// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import CLuaShims

/// A Lua 5.4 in which a script can do no more than its host allows, and no harm.
///
/// Scripts see the base library and `string`, `table`, `math`, `utf8` and `coroutine`, made safe and repeatable; and what
/// the host declares. They see no files, clocks or environment, and no function that reaches around a limit. Whatever
/// a script does ends in a result or a `LuaError`, never in the host's end.
///
/// ```swift
/// let lua = try LuaState(print: { print($0) })
/// try lua.context.setGlobal("add") { call in
///     [.integer(try call.integer(0) + call.integer(1))]
/// }
/// try lua.run("print(add(2, 3))", name: "sum.lua")
/// ```
public struct LuaState: ~Copyable {
    /// The state, to make values with and to declare globals.
    public let context: LuaContext

    /// Opens a state.
    ///
    /// - Parameters:
    ///   - limits: What each call from outside may use.
    ///   - randomSeed: The seed of `math.random`, which is the same in every run.
    ///   - strictGlobals: Whether reading or writing an undeclared global is an error.
    ///   - cancellation: Ends scripts from other threads.
    ///   - print: Is called with each line that `print` writes, and with warnings.
    ///   - modules: Finds the text of a module for `require`, which does not exist without it.
    public init(
        limits: LuaLimits = LuaLimits(), randomSeed: Int64 = 0, strictGlobals: Bool = true,
        cancellation: LuaCancellation = LuaCancellation(), print: @escaping (LuaString) -> Void = { _ in },
        modules: LuaModules.Finder? = nil
    ) throws(LuaError) {
        try self.init(
            limits: limits, randomSeed: randomSeed, strictGlobals: strictGlobals, cancellation: cancellation,
            print: print, modules: modules, fault: .none)
    }

    package init(
        limits: LuaLimits = LuaLimits(), randomSeed: Int64 = 0, strictGlobals: Bool = true,
        cancellation: LuaCancellation = LuaCancellation(), print: @escaping (LuaString) -> Void = { _ in },
        modules: LuaModules.Finder? = nil, fault: AllocationFault
    ) throws(LuaError) {
        let context = try LuaContext(limits: limits, seed: randomSeed, cancellation: cancellation, fault: fault)
        do {
            try Self.prepare(context, strictGlobals: strictGlobals, print: print, modules: modules)
        } catch {
            context.close()
            throw error
        }
        self.context = context
    }

    private static func prepare(
        _ context: LuaContext, strictGlobals: Bool, print: @escaping (LuaString) -> Void, modules: LuaModules.Finder?
    ) throws(LuaError) {
        let printer = try context.makeFunction("print") { call in
            print(try call.bytes(0))
            return []
        }
        try context.check(unsafe flua_set_printer(context.open(), printer.reference.slot))
        if let modules {
            try LuaModules.install(in: context, finder: modules)
        }
        if strictGlobals {
            try LuaGlobals.makeStrict(in: context)
        }
    }

    deinit {
        context.close()
    }

    /// Runs a chunk and returns what it returns; `name` is the file's path as errors shall show it.
    @discardableResult
    public borrowing func run(
        _ source: String, name: String, arguments: [LuaValue] = []
    ) throws(LuaError) -> [LuaValue] {
        try context.load(source, name: name).call(arguments)
    }

    /// The bytes that the state holds now.
    public var memoryInUse: Int { unsafe context.state.map { unsafe Int(flua_bytes($0)) } ?? 0 }

    /// The most bytes that the state held at once.
    public var memoryPeak: Int { unsafe context.state.map { unsafe Int(flua_peak($0)) } ?? 0 }

    /// The instructions that the last call from outside took, as limits count them.
    public var instructionsUsed: Int { unsafe context.state.map { unsafe Int(flua_steps($0)) } ?? 0 }

    /// How many allocations were asked for so far.
    package var allocations: Int { unsafe context.state.map { unsafe Int(flua_allocations($0)) } ?? 0 }

    /// Ends the state and returns how many bytes it failed to give back.
    package consuming func closeCountingLeaks() -> Int {
        context.close()
    }
}

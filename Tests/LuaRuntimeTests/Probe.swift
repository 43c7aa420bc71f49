// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import LuaRuntime
import Synchronization
import Testing

/// Runs a chunk in a state of its own and returns what it printed.
func output(
    _ source: String, name: String = "test.lua", limits: LuaLimits = LuaLimits(),
    declare: (LuaContext) throws -> Void = { _ in }, modules: LuaModules.Finder? = nil
) throws -> String {
    var lines: [String] = []
    let lua = try LuaState(limits: limits, print: { lines.append("\($0)") }, modules: modules)
    try declare(lua.context)
    try lua.run(source, name: name)
    return lines.joined(separator: "\n")
}

/// Runs a chunk that must fail, and returns its error.
func failure(
    _ source: String, name: String = "test.lua", limits: LuaLimits = LuaLimits(),
    declare: (LuaContext) throws -> Void = { _ in }, modules: LuaModules.Finder? = nil,
    at location: SourceLocation = #_sourceLocation
) throws -> LuaError {
    let printed: String
    do {
        printed = try output(source, name: name, limits: limits, declare: declare, modules: modules)
    } catch let error as LuaError {
        return error
    }
    let issue = Issue.record("the chunk ran to its end and printed: \(printed)", sourceLocation: location)
    throw issue.error ?? LuaError(.runtime, "the chunk ran to its end")
}

/// Counts how many objects are alive.
final class Census: Sendable {
    private let counts: Mutex<(alive: Int, ended: Int)> = Mutex((0, 0))
    var alive: Int { counts.withLock { $0.alive } }
    var ended: Int { counts.withLock { $0.ended } }

    final class Member: Sendable {
        let census: Census
        init(_ census: Census) {
            self.census = census
            census.counts.withLock { $0.alive += 1 }
        }
        deinit {
            census.counts.withLock { $0 = ($0.alive - 1, $0.ended + 1) }
        }
    }
}

/// Small numbers that are the same in every run of a seed.
struct Dice {
    private var state: UInt64

    init(seed: UInt64) {
        state = seed
    }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    mutating func roll(_ sides: Int) -> Int { Int(next() % UInt64(sides)) }
}

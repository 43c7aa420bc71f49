// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// What a script may use; nil is no limit.
///
/// Instructions and time are counted anew for each call from outside. A script cannot catch a limit that it reached.
public struct LuaLimits: Hashable, Sendable {
    /// The instructions of Lua's machine, and as many rounds of loops inside its libraries (comparisons of a pattern,
    /// elements moved or sorted, memory in units of 64 bytes); checked every 250 or so.
    public var instructions: Int?
    /// The bytes that the state may hold at once.
    public var memory: Int?
    /// How long the script itself may run; time in host functions does not count.
    public var time: Duration?

    /// Makes limits; without arguments, what a script that describes something needs at most.
    public init(
        instructions: Int? = 100_000_000, memory: Int? = 64 << 20, time: Duration? = .seconds(30)
    ) {
        self.instructions = instructions
        self.memory = memory
        self.time = time
    }

    /// No limits.
    public static let none: LuaLimits = LuaLimits(instructions: nil, memory: nil, time: nil)
}

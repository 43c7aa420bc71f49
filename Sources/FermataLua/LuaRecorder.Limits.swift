// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

extension LuaRecorder {
    /// What a recipe's script may use.
    public struct Limits: Hashable, Sendable {
        /// The instructions of Lua's machine.
        public var instructions: Int
        /// The bytes that the script may hold at once.
        public var memory: Int
        /// How long it may run.
        public var time: Duration
        /// How many steps and machines it may write.
        public var steps: Int
        /// The bytes of the texts in them.
        public var text: Int
        /// The bytes that it may print.
        public var printed: Int

        /// Makes limits; without arguments, far more than a recipe that people read needs.
        public init(
            instructions: Int = 200_000_000, memory: Int = 256 << 20, time: Duration = .seconds(30),
            steps: Int = 100_000, text: Int = 64 << 20, printed: Int = 16 << 20
        ) {
            self.instructions = instructions
            self.memory = memory
            self.time = time
            self.steps = steps
            self.text = text
            self.printed = printed
        }
    }
}

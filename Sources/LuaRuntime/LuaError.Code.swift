// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

extension LuaError {
    /// The kind of failure; open, so that a new one breaks no caller.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        private enum Kind: String, Hashable, Sendable {
            case syntax, runtime, type, argument, undeclared, field, module, host
            case memoryLimit, instructionLimit, timeLimit, cancelled, unusable
        }

        private let kind: Kind

        /// The text is not a Lua chunk.
        public static let syntax: Code = Code(kind: .syntax)
        /// The script raised an error.
        public static let runtime: Code = Code(kind: .runtime)
        /// The script used a value in a way that its type does not allow.
        public static let type: Code = Code(kind: .type)
        /// A function was called with a wrong argument.
        public static let argument: Code = Code(kind: .argument)
        /// The script read or wrote a global that the host did not declare.
        public static let undeclared: Code = Code(kind: .undeclared)
        /// The script used a field that a host object does not have.
        public static let field: Code = Code(kind: .field)
        /// `require` found no such module, or one that requires itself.
        public static let module: Code = Code(kind: .module)
        /// A host function threw an error of its own, which is the underlying one.
        public static let host: Code = Code(kind: .host)
        /// The script reached its memory limit.
        public static let memoryLimit: Code = Code(kind: .memoryLimit)
        /// The script reached its limit of instructions.
        public static let instructionLimit: Code = Code(kind: .instructionLimit)
        /// The script reached its time limit.
        public static let timeLimit: Code = Code(kind: .timeLimit)
        /// The host cancelled the script.
        public static let cancelled: Code = Code(kind: .cancelled)
        /// The state or value cannot be used any more, or not here.
        public static let unusable: Code = Code(kind: .unusable)

        /// Whether the script was ended from outside, which it could not catch.
        public var isLimit: Bool {
            [.memoryLimit, .instructionLimit, .timeLimit, .cancelled].contains(kind)
        }

        /// The code's name.
        public var description: String { kind.rawValue }
    }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

extension RecipeScriptError {
    /// The kind of failure; open, so that a new one breaks no caller.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        private enum Kind: String, Hashable, Sendable {
            case unreadable, syntax, runtime, undeclared, word, result, module, limit, unusable
        }

        private let kind: Kind

        /// The script's file cannot be read.
        public static let unreadable: Code = Code(kind: .unreadable)
        /// The text is not Lua.
        public static let syntax: Code = Code(kind: .syntax)
        /// The script raised an error.
        public static let runtime: Code = Code(kind: .runtime)
        /// The script used a global that nobody declared.
        public static let undeclared: Code = Code(kind: .undeclared)
        /// The script used a word of the recipe language wrongly.
        public static let word: Code = Code(kind: .word)
        /// The script looked at a result, which there is none of while recording.
        public static let result: Code = Code(kind: .result)
        /// A module that the script requires cannot be had.
        public static let module: Code = Code(kind: .module)
        /// The script reached a limit.
        public static let limit: Code = Code(kind: .limit)
        /// Lua itself could not be used.
        public static let unusable: Code = Code(kind: .unusable)

        /// The code's name.
        public var description: String { kind.rawValue }
    }
}

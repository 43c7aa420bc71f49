// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel

/// A word of the recipe language that was used wrongly: one sentence, whose place the runtime knows.
struct WordError: Error, CustomStringConvertible {
    let code: RecipeScriptError.Code
    let description: String

    init(_ description: String, code: RecipeScriptError.Code = .word) {
        self.code = code
        self.description = description
    }

    /// `; did you mean 'within'?`, or nothing.
    static func hint(for text: String, among candidates: some Sequence<String>) -> String {
        Spelling.nearest(to: text, among: candidates).map { "; did you mean '\($0)'?" } ?? ""
    }
}

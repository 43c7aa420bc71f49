// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// A program that is a recipe: it can be planned and run, with all the options of the command.
///
/// ```swift
/// import Fermata
///
/// @main struct FirstLab: RecipeProgram {
///     var recipe: Recipe {
///         let web = Machine("web") { Disk("system", .mebibytes(64)) }
///         return Recipe("first-lab") {
///             web
///             Start(web)
///         }
///     }
/// }
/// ```
/// `first-lab plan` shows what a run would do, `first-lab run` does it.
public protocol RecipeProgram {
    /// Makes the program's only value.
    init()

    /// The recipe.
    var recipe: Recipe { get }
}

extension RecipeProgram {
    /// Does what the command line says, and ends the process.
    public static func main() async {
        await ProgramEntry.run(RecipeProgramCommand<Self>.self)
    }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Fermata

/// `fermata run`.
struct RunCommand: AsyncParsableCommand {
    static let configuration: CommandConfiguration = CommandConfiguration(
        commandName: "run", abstract: RunOptions.abstract,
        discussion: """
            The recipe's machines start over and are off at the end. A step that fails keeps its machine as the \
            checkpoint 'failed: <number> <word>'. Ctrl-C stops after the operation under way, twice at once.
            """)

    @Argument(help: "A recipe: a .lua or .json file.", completion: .file(extensions: ["lua", "json"]))
    var recipe: String

    @OptionGroup var options: RunOptions
    @OptionGroup var store: StoreOption

    func run() async throws {
        let store = try store.checked()
        let file = try RecipeFile(recipe)
        try await RecipeRequest(file.recipe, in: file.folder, store: store).run(options)
    }
}

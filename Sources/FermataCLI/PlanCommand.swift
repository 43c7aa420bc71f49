// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Fermata

/// `fermata plan`.
struct PlanCommand: AsyncParsableCommand {
    static let configuration: CommandConfiguration = CommandConfiguration(
        commandName: "plan", abstract: PlanOptions.abstract,
        discussion: "Nothing is touched. Every mistake in the recipe is told at once, each at its line.")

    @Argument(help: "A recipe: a .lua or .json file.", completion: .file(extensions: ["lua", "json"]))
    var recipe: String

    @OptionGroup var plan: PlanOptions
    @OptionGroup var store: StoreOption

    func run() async throws {
        let store = try store.checked()
        let file = try RecipeFile(recipe)
        try RecipeRequest(file.recipe, in: file.folder, store: store).printPlan(plan)
    }
}

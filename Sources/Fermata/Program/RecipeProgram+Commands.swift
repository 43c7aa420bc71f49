// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import SystemPackage

/// The command line of a recipe program.
struct RecipeProgramCommand<Program: RecipeProgram>: AsyncParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(
            commandName: ProgramOutput.name, abstract: "Plans and runs the recipe '\(Program().recipe.name)'.",
            subcommands: [RecipeProgramPlan<Program>.self, RecipeProgramRun<Program>.self])
    }
}

/// The options that both commands of a recipe program have.
struct RecipeProgramOptions: ParsableArguments {
    @OptionGroup var store: StoreOption

    @Option(help: ArgumentHelp("Where the recipe's relative paths begin.", valueName: "folder"))
    var directory: String = "."

    func request(_ program: some RecipeProgram) throws -> RecipeRequest {
        RecipeRequest(program.recipe, in: try .folder(directory), store: try store.checked())
    }
}

struct RecipeProgramPlan<Program: RecipeProgram>: AsyncParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(commandName: "plan", abstract: PlanOptions.abstract)
    }

    @OptionGroup var options: RecipeProgramOptions
    @OptionGroup var plan: PlanOptions

    func run() async throws {
        try options.request(Program()).printPlan(plan)
    }
}

struct RecipeProgramRun<Program: RecipeProgram>: AsyncParsableCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(commandName: "run", abstract: RunOptions.abstract)
    }

    @OptionGroup var options: RecipeProgramOptions
    @OptionGroup var run: RunOptions

    func run() async throws {
        try await options.request(Program()).run(run)
    }
}

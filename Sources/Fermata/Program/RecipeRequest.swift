// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataEngine
package import FermataExecutor
package import FermataModel
import FermataPlan
import QEMUDriver
package import SystemPackage

/// What `plan` and `run` do, whoever wrote the recipe: the command and every recipe program share it.
package struct RecipeRequest: Sendable {
    /// The recipe.
    package var recipe: Recipe
    /// Where its relative paths begin.
    package var folder: FilePath
    /// The lab.
    package var lab: Lab

    /// Makes a request; the lab is found as ``Lab/find(store:recipeFolder:environment:currentFolder:)`` says.
    package init(_ recipe: Recipe, in folder: FilePath, store: String?) {
        self.recipe = recipe
        self.folder = folder
        lab = Lab(
            at: Lab.find(store: store.map { FilePath($0) }, recipeFolder: folder), hypervisor: QEMUDriver(),
            trash: .ofNewLabs())
    }

    /// How a plan is printed.
    package enum Form: Sendable {
        case text
        case json
        case recipe
    }

    /// Prints the plan, or the recipe itself.
    package func printPlan(_ options: PlanOptions) throws {
        let atEnd = options.ending.atEnd
        switch options.form {
        case .recipe: try ProgramOutput.data(recipe.json)
        case .json: try ProgramOutput.data(lab.plan(recipe, in: folder, atEnd: atEnd).json)
        case .text:
            let terminal = Terminal.standardOutput
            let lines = try lab.plan(recipe, in: folder, atEnd: atEnd).textLines
            try ProgramOutput.data(
                lines.map { line in line.colour.map { terminal.paint(line.text, $0) } ?? line.text }
                    .joined(separator: "\n"))
        }
    }

    /// Runs the recipe, shows its progress, and prints the trees that it leaves; with `--json` the events instead.
    package func run(_ options: RunOptions) async throws {
        let json = options.json
        let plan = try lab.plan(recipe, in: folder, atEnd: options.ending.atEnd)
        for warning in plan.warnings { ProgramOutput.message(warning.description) }
        let executor = PlanExecutor(plan, in: lab, recipeFolder: folder)
        let signals = StopSignals {
            ProgramOutput.message("\(ProgramOutput.name): stopping after this operation; once more stops at once")
            executor.interrupt()
        }
        defer { withExtendedLifetime(signals) {} }
        let progress = RunProgress(of: executor)
        let animation = Task { await progress.animate() }
        let run = Task { try await executor.run() }
        var lost: ProgramFailure?
        for await event in executor.events {
            progress.show(event)
            guard json, lost == nil else { continue }
            do throws(ProgramFailure) {
                try ProgramOutput.data(event.jsonValue.compact)
            } catch {
                // Nobody reads what happens any more, so nothing more is to happen.
                lost = error
                executor.interrupt()
            }
        }
        animation.cancel()
        let outcome = try await run.value
        if let lost { throw lost }
        guard !json else { return }
        for machine in outcome.machines { try ProgramOutput.data(machine.tree.drawing(of: machine.name)) }
    }
}

extension Plan.TextLine {
    fileprivate var colour: Terminal.Colour? {
        if marks.contains(.delete) { return .red }
        if marks.contains(.create) { return .green }
        return marks.contains(.apply) ? .yellow : nil
    }
}

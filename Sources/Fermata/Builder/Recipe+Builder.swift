// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

extension Recipe {
    /// Makes a recipe of the machines and steps that a closure names.
    ///
    /// ```swift
    /// let lab = Recipe("first-lab") {
    ///     web
    ///     Start(web)
    ///     Checkpoint("clean")
    /// }
    /// ```
    /// Nothing is started or checked: a recipe is a value, and its mistakes are the planner's to find.
    public init(_ name: String, @RecipeBuilder _ parts: () -> [RecipePart]) {
        self.init(name: name)
        for part in parts() {
            switch part {
            case .machine(let definition): machines.append(definition)
            case .step(let step): steps.append(step)
            }
        }
    }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// Puts together what a recipe's closure names, with `if`, `switch` and `for` as in any Swift code.
@resultBuilder public enum RecipeBuilder {
    /// Takes in one component.
    public static func buildExpression(_ component: some RecipeComponent) -> [RecipePart] {
        component.parts
    }

    /// Takes in a list of components of several types.
    public static func buildExpression(_ components: [any RecipeComponent]) -> [RecipePart] {
        components.flatMap(\.parts)
    }

    /// Joins the statements of a block.
    public static func buildBlock(_ parts: [RecipePart]...) -> [RecipePart] {
        parts.flatMap(\.self)
    }

    /// Takes in an `if` without `else`.
    public static func buildOptional(_ parts: [RecipePart]?) -> [RecipePart] {
        parts ?? []
    }

    /// Takes in the first branch.
    public static func buildEither(first parts: [RecipePart]) -> [RecipePart] {
        parts
    }

    /// Takes in the other branch.
    public static func buildEither(second parts: [RecipePart]) -> [RecipePart] {
        parts
    }

    /// Takes in the rounds of a loop.
    public static func buildArray(_ parts: [[RecipePart]]) -> [RecipePart] {
        parts.flatMap(\.self)
    }

    /// Takes in what a newer system offers.
    public static func buildLimitedAvailability(_ parts: [RecipePart]) -> [RecipePart] {
        parts
    }
}

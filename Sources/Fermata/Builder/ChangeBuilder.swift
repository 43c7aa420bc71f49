// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// Puts together what a change's closure names.
@resultBuilder public enum ChangeBuilder {
    /// Takes in one component.
    public static func buildExpression(_ component: some ChangeComponent) -> [ChangePart] {
        component.changes
    }

    /// Joins the statements of a block.
    public static func buildBlock(_ changes: [ChangePart]...) -> [ChangePart] {
        changes.flatMap(\.self)
    }

    /// Takes in an `if` without `else`.
    public static func buildOptional(_ changes: [ChangePart]?) -> [ChangePart] {
        changes ?? []
    }

    /// Takes in the first branch.
    public static func buildEither(first changes: [ChangePart]) -> [ChangePart] {
        changes
    }

    /// Takes in the other branch.
    public static func buildEither(second changes: [ChangePart]) -> [ChangePart] {
        changes
    }

    /// Takes in the rounds of a loop.
    public static func buildArray(_ changes: [[ChangePart]]) -> [ChangePart] {
        changes.flatMap(\.self)
    }

    /// Takes in what a newer system offers.
    public static func buildLimitedAvailability(_ changes: [ChangePart]) -> [ChangePart] {
        changes
    }
}

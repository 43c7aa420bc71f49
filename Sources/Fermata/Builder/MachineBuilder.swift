// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// Puts together what a machine's closure names.
@resultBuilder public enum MachineBuilder {
    /// Takes in one component.
    public static func buildExpression(_ component: some MachineComponent) -> [MachinePart] {
        component.parts
    }

    /// Joins the statements of a block.
    public static func buildBlock(_ parts: [MachinePart]...) -> [MachinePart] {
        parts.flatMap(\.self)
    }

    /// Takes in an `if` without `else`.
    public static func buildOptional(_ parts: [MachinePart]?) -> [MachinePart] {
        parts ?? []
    }

    /// Takes in the first branch.
    public static func buildEither(first parts: [MachinePart]) -> [MachinePart] {
        parts
    }

    /// Takes in the other branch.
    public static func buildEither(second parts: [MachinePart]) -> [MachinePart] {
        parts
    }

    /// Takes in the rounds of a loop.
    public static func buildArray(_ parts: [[MachinePart]]) -> [MachinePart] {
        parts.flatMap(\.self)
    }

    /// Takes in what a newer system offers.
    public static func buildLimitedAvailability(_ parts: [MachinePart]) -> [MachinePart] {
        parts
    }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// Whatever may stand in a recipe: a machine, a step, or several of them.
///
/// A new word of the language is a new type that conforms. A part of a recipe that is needed twice is a function:
/// ```swift
/// @RecipeBuilder func boot(_ machine: Machine) -> [RecipePart] {
///     Start(machine)
///     WaitForConsole(machine, "ready")
/// }
/// ```
public protocol RecipeComponent {
    /// The machines and steps that it stands for.
    var parts: [RecipePart] { get }
}

/// One machine or one step of a recipe.
public enum RecipePart: Hashable, Sendable, RecipeComponent {
    /// A machine's definition.
    case machine(MachineDefinition)
    /// A step.
    case step(Step)

    /// Itself.
    public var parts: [RecipePart] { [self] }
}

extension Array: RecipeComponent where Element: RecipeComponent {
    /// The parts of all elements.
    public var parts: [RecipePart] { flatMap(\.parts) }
}

extension Optional: RecipeComponent where Wrapped: RecipeComponent {
    /// The parts of what is there.
    public var parts: [RecipePart] { map(\.parts) ?? [] }
}

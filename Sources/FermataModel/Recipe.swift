// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// What an author wrote: machines and steps; a pure value.
///
/// Two front ends make it, Swift's result builder and Lua's recording; everything below sees this value alone.
/// ```
///  Recipe
///   ├─ machines: [MachineDefinition]
///   └─ steps:    [Step]  =  Action + where it stands
/// ```
public struct Recipe: Hashable, Sendable {
    /// The recipe's name; what it makes belongs to that name.
    public var name: String
    /// The machines, in the order in which they were named.
    public var machines: [MachineDefinition]
    /// The steps, in the order in which they are done.
    public var steps: [Step]

    /// Makes a recipe.
    public init(name: String, machines: [MachineDefinition] = [], steps: [Step] = []) {
        self.name = name
        self.machines = machines
        self.steps = steps
    }

    /// The same recipe without its source locations: equal for every front end.
    public var withoutLocations: Recipe {
        var copy = self
        for index in copy.machines.indices { copy.machines[index].at = nil }
        for index in copy.steps.indices { copy.steps[index].at = nil }
        return copy
    }
}

/// One step of a recipe: what to do, and where the author wrote it.
public struct Step: Hashable, Sendable {
    /// What to do.
    public var action: Action
    /// Where the author wrote it.
    public var at: SourceLocation?

    /// Makes a step.
    public init(_ action: Action, at: SourceLocation? = nil) {
        self.action = action
        self.at = at
    }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

public import FermataModel

/// Changes the hardware of a machine that is off, or its notes at any time.
///
/// ```swift
/// Change(web, notes: "grown") {
///     Memory(.mebibytes(512))
///     Processors(2)
/// }
/// ```
/// What is not said stays as it is. A checkpoint keeps the hardware of its time, and going back to it brings it back.
public struct Change: Hashable, Sendable, RecipeComponent {
    /// The step.
    public let parts: [RecipePart]

    /// Changes a machine.
    public init(
        _ machine: Machine, arguments: String? = nil, notes: String? = nil, file: String = #fileID,
        line: Int = #line, @ChangeBuilder _ hardware: () -> [ChangePart] = { [] }
    ) {
        self.init(machine.name, arguments: arguments, notes: notes, file: file, line: line, hardware)
    }

    /// Changes the machine of a name.
    public init(
        _ machine: MachineName, arguments: String? = nil, notes: String? = nil, file: String = #fileID,
        line: Int = #line, @ChangeBuilder _ hardware: () -> [ChangePart] = { [] }
    ) {
        var change = Action.Change(arguments: arguments, notes: notes)
        for part in hardware() { part.apply(to: &change) }
        parts = [.step(Step(.change(machine, change), at: SourceLocation(file: file, line: line)))]
    }
}

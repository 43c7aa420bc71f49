// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// Waits until a machine's guest has restarted by itself, once more than was waited for.
///
/// A restart that came before the step began counts, too; one by the reset button does not.
public struct WaitForReboot: Hashable, Sendable, RecipeComponent {
    /// The step.
    public let parts: [RecipePart]

    /// Waits for a machine's guest.
    public init(
        _ machine: Machine, within: TimeSpan = Action.defaultWithin, file: String = #fileID, line: Int = #line
    ) {
        self.init(machine.name, within: within, file: file, line: line)
    }

    /// Waits for the guest of the machine of a name.
    public init(
        _ machine: MachineName, within: TimeSpan = Action.defaultWithin, file: String = #fileID, line: Int = #line
    ) {
        parts = [.step(Step(.waitForReboot(machine, within: within), at: SourceLocation(file: file, line: line)))]
    }
}

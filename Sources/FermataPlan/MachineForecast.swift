// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

public import FermataModel

/// What becomes of a machine and its checkpoints.
public struct MachineForecast: Hashable, Sendable {
    /// The machine.
    public var machine: MachineName
    /// What happens to it before the first step, or with the step that makes it.
    public var fate: Fate
    /// Its checkpoints now, those that will be deleted marked.
    public var before: PlannedTree
    /// Its checkpoints after the run, those that were created and applied marked.
    public var after: PlannedTree

    /// Makes a forecast.
    public init(machine: MachineName, fate: Fate, before: PlannedTree, after: PlannedTree) {
        self.machine = machine
        self.fate = fate
        self.before = before
        self.after = after
    }

    /// What happens to a machine before the first step, or with the step that makes it.
    public enum Fate: String, Hashable, Sendable {
        /// It is made.
        case create
        /// It is deleted and made again.
        case recreate
        /// It goes back to its origin.
        case returnToOrigin
        /// A step makes it of a checkpoint of another one.
        case fork
        /// It is deleted, and a step makes it again.
        case forkAgain
    }
}

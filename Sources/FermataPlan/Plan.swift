// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

public import FermataModel

/// What will be done: operations worked out from a recipe and what already exists; a pure value.
public struct Plan: Hashable, Sendable {
    /// The recipe's name.
    public var recipe: String
    /// The SHA-256 of the recipe's canonical JSON without source locations, in hexadecimal digits.
    public var recipeDigest: String
    /// What to do, in this order.
    public var operations: [Operation]
    /// What happens to machines that still run at the end.
    public var atEnd: AtEnd
    /// What becomes of each machine of the recipe, in the recipe's order.
    public var forecasts: [MachineForecast]
    /// How much space the run takes.
    public var space: SpaceNeed
    /// What does not stop the run but should be known.
    public var warnings: [Diagnostic]

    /// Makes a plan.
    public init(
        recipe: String, recipeDigest: String, operations: [Operation], atEnd: AtEnd, forecasts: [MachineForecast],
        space: SpaceNeed, warnings: [Diagnostic] = []
    ) {
        self.recipe = recipe
        self.recipeDigest = recipeDigest
        self.operations = operations
        self.atEnd = atEnd
        self.forecasts = forecasts
        self.space = space
        self.warnings = warnings
    }

    /// What happens to machines that still run when a run ends.
    public enum AtEnd: String, Hashable, Sendable, Codable, CaseIterable {
        /// They are turned off.
        case off
    }

    /// How much space a run takes besides what its guests write to their disks.
    public struct SpaceNeed: Hashable, Sendable {
        /// What it takes in any case: the boot files of new machines.
        public var least: ByteSize
        /// What it takes when no page of memory is zero or repeated: boot files, and memory for each live checkpoint.
        public var most: ByteSize

        /// Makes an estimate.
        public init(least: ByteSize, most: ByteSize) {
            self.least = least
            self.most = most
        }
    }
}

/// What becomes of a machine and its checkpoints.
public struct MachineForecast: Hashable, Sendable {
    /// The machine.
    public var machine: MachineName
    /// What happens to it before the first step.
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

    /// What happens to a machine before the first step.
    public enum Fate: String, Hashable, Sendable {
        /// It is made.
        case create
        /// It is deleted and made again.
        case recreate
        /// It goes back to its origin.
        case returnToOrigin
    }
}

/// A machine's checkpoints before or after a run, as lists show them: without the origin.
public struct PlannedTree: Hashable, Sendable {
    /// The checkpoints; each one's parent stands before it.
    public var checkpoints: [Checkpoint]
    /// The index of the checkpoint from which now grows; nil when it grows from none, or from the origin.
    public var now: Int?

    /// Makes a tree.
    public init(checkpoints: [Checkpoint] = [], now: Int? = nil) {
        self.checkpoints = checkpoints
        self.now = now
    }

    /// A checkpoint of a planned tree.
    public struct Checkpoint: Hashable, Sendable {
        /// Its name.
        public var name: CheckpointName
        /// The index of the checkpoint from which it grew; nil for a root.
        public var parent: Int?
        /// Whether it holds memory and devices.
        public var hasMemory: Bool
        /// What the run does with it; empty when it only stays.
        public var marks: Set<Mark>

        /// Makes a description.
        public init(name: CheckpointName, parent: Int?, hasMemory: Bool, marks: Set<Mark> = []) {
            self.name = name
            self.parent = parent
            self.hasMemory = hasMemory
            self.marks = marks
        }
    }

    /// What a run does with a checkpoint.
    public enum Mark: String, Hashable, Sendable, CaseIterable {
        /// It is made.
        case create
        /// Now is made equal to it at least once.
        case apply
        /// It is deleted.
        case delete

        /// The character that stands for it in a drawing.
        public var symbol: Character {
            switch self {
            case .create: "+"
            case .apply: "~"
            case .delete: "-"
            }
        }
    }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

public import FermataModel

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

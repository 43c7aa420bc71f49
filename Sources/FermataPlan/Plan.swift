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
        /// They are saved: their memory and devices lie in the lab, and a start goes on from there.
        case saved
    }

    /// How much space a run takes besides what its guests write to their disks.
    public struct SpaceNeed: Hashable, Sendable {
        /// What it takes in any case: the boot files of new machines.
        public var least: ByteSize
        /// What it takes when no page of memory is zero or repeated: boot files, and memory for each live checkpoint
        /// and each saved machine.
        public var most: ByteSize

        /// Makes an estimate.
        public init(least: ByteSize, most: ByteSize) {
            self.least = least
            self.most = most
        }
    }
}

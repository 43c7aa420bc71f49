// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

public import FermataEngine
public import FermataModel
public import FermataPlan

/// Something that happens in a run; the one stream for terminals, documents and programs.
///
/// ```
///  planned ─► ( operationStarted ─► operationFinished )* ─► finished
///                    └────────────► operationFailed ─► kept? ─► stopped
///             a request to stop, between two operations ─────► stopped
/// ```
public struct RunEvent: Sendable, Hashable {
    /// When it happened, since the run began.
    public var time: Duration
    /// What happened.
    public var kind: Kind

    /// What happens.
    public enum Kind: Sendable, Hashable {
        /// The run begins.
        case planned(Plan)
        /// An operation begins.
        case operationStarted(RunOperation)
        /// An operation succeeded.
        case operationFinished(RunOperation, took: Duration, OperationDetail?)
        /// An operation failed.
        case operationFailed(RunOperation, took: Duration, RunError)
        /// The machine was kept at its failure, or could not be, and why.
        case kept(MachineName, as: CheckpointName, problem: String?)
        /// The run ends early; its machines are off, those that a step has saved aside.
        case stopped(RunError)
        /// The run ends well; its machines are off or saved.
        case finished(RunOutcome)
    }
}

/// An operation of a plan that is being done.
public struct RunOperation: Sendable, Hashable {
    /// Its number in the plan, counted from 1.
    public var number: Int
    /// How many operations the plan has.
    public var count: Int
    /// The operation.
    public var operation: Operation

    /// Its machine.
    public var machine: MachineName { operation.machine }
}

/// What an operation's end is worth telling.
public enum OperationDetail: Sendable, Hashable {
    /// A checkpoint exists.
    case checkpoint(CheckpointOutcome)
    /// Now was made equal to a checkpoint.
    case restore(RestoreOutcome)
    /// A command ended as expected.
    case command(exitCode: Int)
    /// That text was on the console.
    case console(String)
    /// A machine of that identity exists.
    case machine(GUID)
}

/// What a run leaves.
public struct RunOutcome: Sendable, Hashable {
    /// The recipe's machines, in the recipe's order.
    public var machines: [Machine]

    /// A machine after a run.
    public struct Machine: Sendable, Hashable {
        /// Its name.
        public var name: MachineName
        /// Its identity.
        public var id: GUID
        /// Its checkpoints, origins included.
        public var tree: CheckpointTree
    }
}

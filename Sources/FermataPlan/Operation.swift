// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

public import FermataModel

/// One thing that a plan does, with everything that doing it needs.
///
/// ```
///  preparation  deleteMachine                                                     for each fork of an earlier run
///               createMachine, recreateMachine, returnToOrigin, createOrigin      for each machine of the recipe
///  step n       start ... fork                                                    one for each step of the recipe
///  end          turnOff, save                                                     for each machine that may still run
/// ```
public struct Operation: Hashable, Sendable {
    /// What to do.
    public var kind: Kind
    /// The part of the run to which it belongs.
    public var phase: Phase
    /// Where the author wrote the step, or for preparation and end the machine.
    public var at: SourceLocation?

    /// Makes an operation.
    public init(_ kind: Kind, phase: Phase, at: SourceLocation? = nil) {
        self.kind = kind
        self.phase = phase
        self.at = at
    }

    /// The parts of a run.
    public enum Phase: Hashable, Sendable {
        /// Before the first step.
        case preparation
        /// The step of that number in the recipe, counted from 1.
        case step(Int)
        /// After the last step.
        case end
    }

    /// The number of the step in the recipe, counted from 1; nil for preparation and end.
    public var step: Int? {
        if case .step(let number) = phase { number } else { nil }
    }

    /// What an operation does.
    ///
    /// What a case needs holds when all operations before it succeeded.
    public enum Kind: Hashable, Sendable {
        /// Deletes a machine of the recipe, with all its checkpoints, that a step makes again as a fork.
        ///
        /// Needs: the machine of that identity, not running, and no other that reads through its disks.
        case deleteMachine(MachineName, GUID)
        /// Makes a machine that does not exist.
        ///
        /// Needs: no machine of that name; boot files whose contents have the digests given, else the plan is stale.
        /// Effect: the machine is off, its disks empty, its configuration names the owner.
        case createMachine(NewMachine)
        /// Deletes a machine of the recipe whose definition has changed, with all its checkpoints, and makes it anew.
        ///
        /// Needs: the machine of that identity, not running; what ``createMachine(_:)`` needs.
        /// Effect: as ``createMachine(_:)``. Every checkpoint that goes was the recipe's.
        case recreateMachine(NewMachine, replacing: GUID)
        /// Makes now equal to the origin, and deletes what the recipe will make again.
        ///
        /// Needs: the machine of that identity, off or saved, and its origin.
        /// Effect: the machine is off, as on its first day; what was saved of its memory and the checkpoints given are
        /// gone, all other checkpoints stay.
        case returnToOrigin(MachineName, OriginReturn)
        /// Makes the disk-only checkpoint to which later runs return.
        ///
        /// Needs: a machine that was just made, off. Effect: now grows from the origin.
        case createOrigin(MachineName, owner: RecipeOwnership)
        /// Starts a machine, or lets a saved one go on.
        ///
        /// Needs: it is off or saved. Effect: it runs.
        case start(MachineName)
        /// Asks the guest to power off, and waits.
        ///
        /// Needs: the machine runs, or its guest has powered it off by itself, which is success.
        /// Effect: it is off; when the time is over, the fallback decides.
        case shutDown(MachineName, within: TimeSpan, orElse: Action.ShutDownFallback)
        /// Cuts the power.
        ///
        /// Needs: nothing; a machine that is off already is success. Effect: it is off, and not saved.
        case turnOff(MachineName)
        /// Holds a machine still.
        ///
        /// Needs: the machine runs. Effect: it is paused.
        case pause(MachineName)
        /// Lets a paused machine go on.
        ///
        /// Needs: it is paused. Effect: it runs.
        case resume(MachineName)
        /// Writes memory and devices to the lab.
        ///
        /// Needs: the machine runs or is paused; at the end of a run one that is off or saved is success.
        /// Effect: it is saved.
        case save(MachineName)
        /// Presses the reset button.
        ///
        /// Needs: the machine runs or is paused. Effect: the guest starts anew; power state unchanged.
        case reset(MachineName)
        /// Waits until the guest has restarted by itself once more than was waited for.
        ///
        /// Needs: the machine runs. Effect: none.
        case waitForReboot(MachineName, within: TimeSpan)
        /// Waits for text on the console after the last match.
        ///
        /// Needs: the machine runs. Effect: none.
        case waitForConsole(MachineName, Action.ConsoleText, within: TimeSpan)
        /// Runs a command in the guest.
        ///
        /// Needs: the machine runs. Effect: whatever the guest does.
        case run(MachineName, Action.Command, expect: Expectation, within: TimeSpan)
        /// Types a text on the guest's console.
        ///
        /// Needs: the machine runs. Effect: whatever the guest does with it.
        case type(MachineName, String)
        /// Holds a moment of a machine.
        ///
        /// Needs: no checkpoint of that name, or with `replacing` one that the new one supersedes.
        /// Effect: now grows from the new checkpoint; power state unchanged.
        case checkpoint(NewCheckpoint)
        /// Makes now equal to the checkpoint from which it grew; nil is the origin.
        ///
        /// Needs: nothing. Effect: the machine takes that checkpoint's power state.
        case revert(MachineName, to: CheckpointName?)
        /// Makes now equal to a checkpoint of that name.
        ///
        /// Needs: the checkpoint. Effect: the machine takes its power state, the next checkpoint branches there.
        case apply(CheckpointName, of: MachineName)
        /// Forgets a checkpoint, or what grew from it.
        ///
        /// Needs: the checkpoint. Effect: all others and now stay as they were; those below hang from what is left.
        case deleteCheckpoint(CheckpointName, of: MachineName, Action.DeletionScope)
        /// Gives a checkpoint another name.
        ///
        /// Needs: the checkpoint, and none of the new name. Effect: none else.
        case renameCheckpoint(CheckpointName, of: MachineName, to: CheckpointName)
        /// Writes a checkpoint to a new folder, whose path begins at the recipe's folder if it is relative.
        ///
        /// Needs: the checkpoint, nothing at that path, and the folder above it. Effect: none on the lab.
        case exportCheckpoint(CheckpointName, of: MachineName, to: String, flattened: Bool, withMemory: Bool)
        /// Makes a new machine that begins at a checkpoint of another.
        ///
        /// Needs: the checkpoint, and no machine of the new name.
        /// Effect: the new machine runs on from the checkpoint's memory, or is off when that holds none; it has no
        /// checkpoint yet.
        case fork(NewFork)
        /// Changes a machine's hardware or notes.
        ///
        /// Needs: it is off, unless only its notes change. Effect: checkpoints keep the hardware of their time.
        case change(MachineName, Action.Change)
        /// Gives a machine one more disk, empty.
        ///
        /// Needs: it is off, has no disk of that name, and has room for it.
        case attach(MachineName, MachineDefinition.Disk)
        /// Takes a disk away, with what was written to it since the last checkpoint.
        ///
        /// Needs: it is off and has the disk.
        case detach(MachineName, disk: String)
        /// Does the same to all machines of the recipe at one moment, or to none: ``checkpoint(_:)``, ``revert(_:to:)``,
        /// ``apply(_:of:)``, ``deleteCheckpoint(_:of:_:)`` or ``renameCheckpoint(_:of:to:)``, one for each machine.
        ///
        /// Needs: of each machine what the operation needs; but for a new one, a checkpoint of all of them.
        indirect case together([Kind])

        /// The machines that it is about, in the recipe's order; of a fork that of which it is made.
        public var machines: [MachineName] {
            switch self {
            case .createMachine(let new), .recreateMachine(let new, _): [new.definition.name]
            case .returnToOrigin(let name, _), .createOrigin(let name, _), .start(let name), .shutDown(let name, _, _),
                .turnOff(let name), .pause(let name), .resume(let name), .save(let name), .reset(let name),
                .waitForReboot(let name, _), .waitForConsole(let name, _, _), .run(let name, _, _, _),
                .type(let name, _), .revert(let name, _), .apply(_, of: let name),
                .deleteCheckpoint(_, of: let name, _),
                .renameCheckpoint(_, of: let name, _), .change(let name, _), .attach(let name, _),
                .detach(let name, _), .exportCheckpoint(_, of: let name, _, _, _), .deleteMachine(let name, _):
                [name]
            case .checkpoint(let new): [new.machine]
            case .fork(let new): [new.source]
            case .together(let kinds): kinds.flatMap(\.machines)
            }
        }
    }

    /// The machine that the operation is about; of several the first.
    public var machine: MachineName { kind.machines.first ?? "" }
}

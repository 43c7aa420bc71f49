// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// A place at which a crash test ends the process, so that every moment of an operation can be its last.
///
/// `FERMATA_FAULT_POINT=<name>` kills the process there, and `<name>:<n>` at the n-th time; unset, a fault point does
/// nothing. Around a rename the names are `before <name>` and `after <name>`.
public struct FaultPoint: Hashable, Sendable {
    /// The name by which a test chooses it.
    public let name: String

    /// All fault points, in the order of the operations.
    public static let all: [FaultPoint] = [
        .spawned, .childrenCreated, .configurationCommit, .stopped, .devicesSaved, .disksSwapped, .resumed, .sealed,
        .memoryWritten, .checkpointCommit, .restoreChildrenCreated, .restoreStopped, .restoreSwapped, .restoreLoaded,
        .restoreCommit, .restoreResumed, .oldDiskRemoved, .checkpointRemoved, .machineCommit,
    ]

    /// The fault points of saving a machine, starting it again and discarding its memory, in the order of operations.
    public static let saving: [FaultPoint] = [.savedWritten, .saveCommit, .startCommit, .savedRemoved, .discardCommit]

    /// The fault points of what several machines do together.
    public static let together: [FaultPoint] = [.labCheckpointCommit, .labRestoreCommit, .labCheckpointRemoved]

    /// The fault points of making a fork, in the order of operations.
    public static let forking: [FaultPoint] = [.forkDisksCreated, .forkMemoryWritten, .forkCommit]
    /// The fault points of promoting a fork; each is reached once for every disk.
    public static let promoting: [FaultPoint] = [.parentCopied, .parentReplaced]

    /// Around the rename that records what the disks of a checkpoint read as.
    public static let digestCommit: FaultPoint = FaultPoint(name: "digests")

    /// The hypervisor's process exists.
    public static let spawned: FaultPoint = FaultPoint(name: "spawned")
    /// Before the pause: the empty children exist.
    public static let childrenCreated: FaultPoint = FaultPoint(name: "children created")
    /// Around the rename that makes now write to the children.
    public static let configurationCommit: FaultPoint = FaultPoint(name: "configuration")
    /// In the pause: the processors are held.
    public static let stopped: FaultPoint = FaultPoint(name: "stopped")
    /// In the pause: the devices are saved.
    public static let devicesSaved: FaultPoint = FaultPoint(name: "devices saved")
    /// In the pause: the disks are swapped.
    public static let disksSwapped: FaultPoint = FaultPoint(name: "disks swapped")
    /// After the pause: the guest runs on.
    public static let resumed: FaultPoint = FaultPoint(name: "resumed")
    /// After the pause: the parents are durable.
    public static let sealed: FaultPoint = FaultPoint(name: "sealed")
    /// After the pause: memory and devices are durable.
    public static let memoryWritten: FaultPoint = FaultPoint(name: "memory written")
    /// Around the rename that makes the checkpoint exist.
    public static let checkpointCommit: FaultPoint = FaultPoint(name: "checkpoint")
    /// Before the machine is held for a restore: the new children exist.
    public static let restoreChildrenCreated: FaultPoint = FaultPoint(name: "restore children created")
    /// In a restore: the processors are held.
    public static let restoreStopped: FaultPoint = FaultPoint(name: "restore stopped")
    /// In a restore: the disks are swapped.
    public static let restoreSwapped: FaultPoint = FaultPoint(name: "restore swapped")
    /// In a restore: memory and devices are loaded.
    public static let restoreLoaded: FaultPoint = FaultPoint(name: "restore loaded")
    /// Around the rename that makes the restore happen.
    public static let restoreCommit: FaultPoint = FaultPoint(name: "restore")
    /// After a restore: the guest runs.
    public static let restoreResumed: FaultPoint = FaultPoint(name: "restore resumed")
    /// After each removal of a disk of a discarded future.
    public static let oldDiskRemoved: FaultPoint = FaultPoint(name: "old disk removed")
    /// After each removal of a checkpoint's file.
    public static let checkpointRemoved: FaultPoint = FaultPoint(name: "checkpoint removed")
    /// Around the rename that makes a machine exist.
    public static let machineCommit: FaultPoint = FaultPoint(name: "machine")

    /// While the machine is held: its memory and devices are durable.
    public static let savedWritten: FaultPoint = FaultPoint(name: "saved memory written")
    /// Around the rename that makes the machine saved.
    public static let saveCommit: FaultPoint = FaultPoint(name: "save")
    /// Around the rename after which a started machine is no longer saved.
    public static let startCommit: FaultPoint = FaultPoint(name: "start")
    /// A saved machine's memory is removed.
    public static let savedRemoved: FaultPoint = FaultPoint(name: "saved memory removed")
    /// Around the rename that makes a saved machine one that is off.
    public static let discardCommit: FaultPoint = FaultPoint(name: "discard")

    /// Around the rename that gives a machine another name.
    public static let renameCommit: FaultPoint = FaultPoint(name: "rename")

    /// The fault points of what goes to the trash, comes back from it and is taken out of it, in the order of operations.
    public static let trashing: [FaultPoint] = [
        .trashCommit, .nowKept, .untrashCommit, .trashRemoved,
    ]

    /// Around the rename that moves a checkpoint, or a machine, to the trash.
    public static let trashCommit: FaultPoint = FaultPoint(name: "trash")
    /// Before a restore: the now that it discards has its place in the trash.
    public static let nowKept: FaultPoint = FaultPoint(name: "now kept")
    /// Around the rename by which something comes back from the trash.
    public static let untrashCommit: FaultPoint = FaultPoint(name: "untrash")
    /// After each removal of something from the trash.
    public static let trashRemoved: FaultPoint = FaultPoint(name: "trash removed")

    /// Around the rename that makes a checkpoint of several machines exist.
    public static let labCheckpointCommit: FaultPoint = FaultPoint(name: "lab checkpoint")
    /// Around the rename that makes a restore of several machines happen.
    public static let labRestoreCommit: FaultPoint = FaultPoint(name: "lab restore")
    /// A checkpoint of several machines is forgotten.
    public static let labCheckpointRemoved: FaultPoint = FaultPoint(name: "lab checkpoint removed")

    /// Around the rename that makes an exported folder.
    public static let exportCommit: FaultPoint = FaultPoint(name: "export")
    /// Around the rename that makes an imported machine.
    public static let importCommit: FaultPoint = FaultPoint(name: "import")
    /// While disks are merged: everything is copied, and the commit comes next.
    public static let mergeCopied: FaultPoint = FaultPoint(name: "merge copied")
    /// After disks were merged: what is no longer needed may still be there.
    public static let mergeCommitted: FaultPoint = FaultPoint(name: "merge committed")

    /// In a fork that is being made: its disks are there.
    public static let forkDisksCreated: FaultPoint = FaultPoint(name: "fork disks created")
    /// In a fork that is being made: its memory is there.
    public static let forkMemoryWritten: FaultPoint = FaultPoint(name: "fork memory written")
    /// Around the rename that makes a fork exist.
    public static let forkCommit: FaultPoint = FaultPoint(name: "fork")
    /// In a promotion: a copy of what a disk reads from another machine is durable.
    public static let parentCopied: FaultPoint = FaultPoint(name: "parent copied")
    /// In a promotion: the disk reads from the copy.
    public static let parentReplaced: FaultPoint = FaultPoint(name: "parent replaced")

    private static let chosen: (name: String, count: Int)? = {
        guard let text = unsafe getenv("FERMATA_FAULT_POINT").map({ unsafe String(cString: $0) }) else { return nil }
        let parts = text.split(separator: ":", maxSplits: 1)
        guard let name = parts.first else { return nil }
        return (String(name), parts.count > 1 ? Int(parts[1]) ?? 1 : 1)
    }()
    private static let reached = Counter()

    /// Ends the process when a test chose this point.
    public func reach() {
        FaultPoint.reach(name)
    }

    func before() {
        FaultPoint.reach("before \(name)")
    }

    func after() {
        FaultPoint.reach("after \(name)")
    }

    private static func reach(_ name: @autoclosure () -> String) {
        guard let chosen, chosen.name == name(), reached.increment() == chosen.count else { return }
        kill(getpid(), SIGKILL)
        while true { pause() }
    }
}

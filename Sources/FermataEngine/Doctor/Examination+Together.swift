// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import SystemPackage

/// What several machines did together, and where it was cut off.
extension Examination {
    /// The checkpoints of several machines, and the restores of several that are not finished.
    mutating func examineLabCheckpoints() {
        // Who is at it has such things for a moment.
        guard !FolderLock.isHeld(lab.path) else { return }
        let machines = (try? lab.machines()) ?? []
        for name in entries(lab.labCheckpoints) {
            let file = lab.labCheckpoints.appending(name)
            if name.hasPrefix("."), name.hasSuffix(".new") {
                add(Finding("leftover", file, "an operation that was cut off left this", fix: .removeLeftovers))
            }
            guard name.hasSuffix(".xml"), GUID(name.dropLast(4)) != nil else { continue }
            examineMode(file)
            do throws(EngineError) {
                let checkpoint = try LabCheckpoint(reading: file)
                let isNeeded = checkpoint.members.contains { member in
                    machines.contains { FileSystem.exists($0.checkpoint(member.checkpoint)) }
                }
                guard !isNeeded else { continue }
                add(
                    Finding(
                        "lab-checkpoint-orphan", file, "no machine has its part of it any more", fix: .removeLeftovers))
            } catch {
                add(
                    Finding(
                        "lab-checkpoint-damaged", file, Self.rest(of: error, file),
                        remedy: "put the file back from a copy; each machine's part of it can be applied alone"))
            }
        }
        for name in entries(lab.journal) where name.hasSuffix(LabRestore.fileExtension) {
            let isNeeded = machines.contains { machine in
                (try? machine.restores())?.contains { "\($0)\(LabRestore.fileExtension)" == name } == true
            }
            add(
                Finding(
                    isNeeded ? "restore-unfinished" : "journal-orphan", lab.journal.appending(name),
                    isNeeded
                        ? "a restore of several machines was cut off; it is done for every reader"
                        : "no machine has anything to finish of it",
                    fix: .removeLeftovers))
        }
    }

    /// A machine's parts in what several did.
    mutating func examineParts(of folder: MachineFolder, _ machine: GUID, _ checkpoints: [GUID: Configuration]) {
        guard !FolderLock.isHeld(lab.path) else { return }
        for (id, configuration) in checkpoints.sorted(by: { $0.key < $1.key }) {
            guard let set = configuration.checkpoint?.labCheckpoint, !FileSystem.exists(lab.labCheckpoint(set)) else {
                continue
            }
            add(
                Finding(
                    "checkpoint-part", folder.checkpoint(id),
                    "it is a part of the lab's checkpoint \(set), which does not exist", fix: .recover(folder)))
        }
        for id in (try? folder.restores()) ?? [] {
            let file = folder.restoredConfiguration(of: machine, by: id)
            add(
                FileSystem.exists(lab.restore(id))
                    ? Finding(
                        "restore-unfinished", file, "a restore of several machines is not finished for this one",
                        fix: .recover(folder))
                    : Finding("leftover", file, "an operation that was cut off left this", fix: .recover(folder)))
        }
    }
}

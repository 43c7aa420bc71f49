// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import SystemPackage

/// What was discarded, and whether it can come back.
extension Examination {
    /// What was discarded of a machine; what of it is whole needs its disks as what exists does.
    mutating func examineTrash(of folder: MachineFolder) {
        // What keeps the machine itself from being read is told where that is looked at.
        guard let record = try? MachineRecord(reading: folder), let trash = try? MachineTrash(uncounted: record) else {
            return
        }
        let remedy = "put the file back from a copy, or fermata gc \(folder.name); it cannot come back"
        for file in trash.unreadable {
            add(Finding("trash-damaged", file, "what was discarded cannot be read", remedy: remedy))
        }
        // Of a machine in use, a restore may be about to happen.
        for file in trash.void where !folder.isInUse {
            add(Finding("trash-void", file, "a restore that was cut off left this", fix: .recover(folder)))
        }
        for entry in trash.entries {
            let file = folder.lab.trashed(entry.id, of: record.id)
            do throws(EngineError) {
                for disk in entry.configuration.disks {
                    _ = try DiskFiles.path(of: disk, machine: record.id, in: folder)
                }
            } catch {
                add(Finding("trash-incomplete", file, Self.rest(of: error, file), remedy: remedy))
                continue
            }
            configurations.append((folder, entry.configuration))
            guard entry.configuration.checkpoint?.hasMemory == true else { continue }
            examineMemory(
                folder.memory(ofCheckpoint: entry.id), moment: entry.configuration.checkpoint?.moment ?? entry.id,
                entry.configuration, remedy: remedy)
        }
    }

    /// What lies in the trash for itself.
    mutating func examineTrash() {
        let machines = Set(((try? lab.deletedMachines()) ?? []).compactMap { $0.path.lastComponent?.string })
        for name in entries(lab.trash) {
            let path = lab.trash.appending(name)
            if name.hasSuffix(LabFolder.removedSuffix) {
                add(
                    Finding(
                        "leftover-deleted", path, "a deleted machine was not removed to its end", fix: .removeLeftovers)
                )
            } else if name.hasSuffix(LabFolder.deletedSuffix), !machines.contains(name) {
                add(
                    Finding(
                        "trash-damaged", path, "expected the folder of a deleted machine, found none",
                        remedy: "remove it; it cannot come back"))
            }
        }
        for path in (try? lab.orphanedTrash()) ?? [] {
            add(Finding("trash-orphan", path, "it was discarded of a machine that is gone", fix: .remove))
        }
    }
}

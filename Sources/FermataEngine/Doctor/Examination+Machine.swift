// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import SystemPackage

/// A machine's configurations, and what lies beside them.
extension Examination {
    mutating func examine(_ folder: MachineFolder) {
        examineMode(folder.path)
        let id: GUID
        do throws(EngineError) { id = try folder.identity() } catch {
            return add(
                Finding(
                    "machine-identity", folder.virtualMachines, Self.rest(of: error, folder.virtualMachines),
                    remedy: "keep the one configuration that is the machine's, from a copy if need be"))
        }
        guard let now = read(folder.configuration(of: id), as: "configuration", of: folder) else { return }
        guard now.machine == id else {
            return add(
                Finding(
                    "configuration-foreign", folder.configuration(of: id),
                    "properties/global_id: expected \(id) as in the file's name, found \(now.machine)",
                    remedy: "put the machine's own configuration back"))
        }
        configurations.append((folder, now))
        if now.name != folder.name.description {
            add(
                Finding(
                    "name-differs", folder.configuration(of: id),
                    "properties/name: expected '\(folder.name)' as the folder's, found '\(now.name)'",
                    fix: .recover(folder)))
        }
        let checkpoints = examineCheckpoints(of: folder, id)
        examineMemory(of: folder, now, checkpoints)
        examineTrash(of: folder)
        // A host that works in the folder has such things for a moment.
        if !folder.isInUse { examineParts(of: folder, id, checkpoints) }
        if !folder.isInUse { examineLeftovers(of: folder, id, now, checkpoints) }
        if FileSystem.exists(folder.differencingDisks(of: id)) { examineMode(folder.differencingDisks(of: id)) }
    }

    private mutating func read(_ file: FilePath, as kind: String, of folder: MachineFolder) -> Configuration? {
        do throws(EngineError) {
            examineMode(file)
            return try Configuration(reading: file)
        } catch {
            add(
                Finding(
                    "\(kind)-damaged", file, Self.rest(of: error, file),
                    remedy: kind == "checkpoint"
                        ? "put the file back from a copy, or remove it to forget the checkpoint"
                        : "put the file back from a copy"))
            return nil
        }
    }

    private mutating func examineCheckpoints(of folder: MachineFolder, _ id: GUID) -> [GUID: Configuration] {
        var found: [GUID: Configuration] = [:]
        for checkpoint in ((try? folder.checkpointFiles()) ?? []).sorted() {
            let file = folder.checkpoint(checkpoint)
            guard let configuration = read(file, as: "checkpoint", of: folder) else { continue }
            guard configuration.checkpoint != nil, configuration.machine == id else {
                add(
                    Finding(
                        "checkpoint-foreign", file,
                        configuration.checkpoint == nil
                            ? "expected a checkpoint's configuration, found a machine's"
                            : "properties/global_id: expected machine \(id), found \(configuration.machine)",
                        remedy: "move the file to the machine that it belongs to"))
                continue
            }
            found[checkpoint] = configuration
        }
        for (checkpoint, configuration) in found.sorted(by: { $0.key < $1.key }) {
            guard let gone = configuration.checkpoint?.supersedes, found[gone] != nil else { continue }
            add(
                Finding(
                    "checkpoint-superseded", folder.checkpoint(gone), "checkpoint \(checkpoint) has replaced it",
                    fix: .recover(folder)))
            found[gone] = nil
        }
        do throws(EngineError) {
            if let deletion = try Deletion(pendingOf: id, in: folder.lab) {
                add(
                    Finding(
                        "deletion-unfinished", folder.lab.deletion(of: id),
                        "\(deletion.checkpoints.count) checkpoints are deleted, but not all of their files",
                        fix: folder.isInUse ? nil : .recover(folder)))
                for checkpoint in deletion.checkpoints { found[checkpoint] = nil }
            }
        } catch {
            let file = folder.lab.deletion(of: id)
            add(
                Finding(
                    "journal-damaged", file, Self.rest(of: error, file),
                    remedy: "remove the file; the checkpoints that it was to delete stay then"))
        }
        for configuration in found.values { configurations.append((folder, configuration)) }
        return found
    }

    private mutating func examineLeftovers(
        of folder: MachineFolder, _ id: GUID, _ now: Configuration, _ checkpoints: [GUID: Configuration]
    ) {
        let fix = Finding.Fix.recover(folder)
        for place in [folder.virtualMachines, folder.snapshots] {
            for name in entries(place) where name.hasPrefix(".") && name.hasSuffix(".new") {
                add(Finding("leftover", place.appending(name), "an operation that was cut off left this", fix: fix))
            }
        }
        let trashed = Set((try? folder.lab.trashedFiles(of: id)) ?? [])
        for name in entries(folder.path) where MachineFolder.disk(markedAs: name) != nil {
            add(
                Finding(
                    "leftover", folder.path.appending(name), "an operation on a disk was cut off and left this",
                    fix: fix))
        }
        for name in entries(folder.snapshots) {
            guard let found = GUID(name), found != id, checkpoints[found] == nil, !trashed.contains(found),
                !FileSystem.exists(folder.checkpoint(found))
            else { continue }
            add(
                Finding(
                    "memory-orphan", folder.memoryFolder(found), "there is no checkpoint to which it belongs", fix: fix)
            )
        }
        let saved = folder.savedMemory(of: id)
        if case .own = now.saved {
        } else if FileSystem.exists(saved.image) || FileSystem.exists(saved.devices) {
            add(
                Finding(
                    "saved-orphan", saved.folder, "it holds a memory, but the machine is not saved in it", fix: fix))
        }
    }

    /// Two machines of one identity would write to the same places.
    mutating func examineIdentities() {
        var owners: [GUID: MachineFolder] = [:]
        for (folder, configuration) in configurations where configuration.checkpoint == nil {
            if let other = owners[configuration.machine] {
                add(
                    Finding(
                        "machine-twice", folder.path,
                        "it has the same identity as \(other.path), \(configuration.machine)",
                        remedy: "move one of the two to a lab of its own"))
            }
            owners[configuration.machine] = owners[configuration.machine] ?? folder
        }
    }
}

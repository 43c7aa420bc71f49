// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import Hashing
import SystemPackage

/// The memory of checkpoints and of saved machines: all but the pages.
extension Examination {
    mutating func examineMemory(
        of folder: MachineFolder, _ now: Configuration, _ checkpoints: [GUID: Configuration]
    ) {
        for (id, configuration) in checkpoints.sorted(by: { $0.key < $1.key })
        where configuration.checkpoint?.hasMemory == true {
            examineMemory(
                folder.memory(ofCheckpoint: id), moment: configuration.checkpoint?.moment ?? id, configuration,
                remedy: "fermata checkpoint delete \(folder.name) \(id); its disks can still be read by others")
        }
        switch now.saved {
        case nil: break
        case .own(let moment):
            examineMemory(
                folder.savedMemory(of: now.machine), moment: moment, now,
                remedy: "fermata vm turn-off \(folder.name) --discard; its disks stay")
        case .checkpoint(let id):
            guard checkpoints[id] == nil else { break }
            add(
                Finding(
                    "saved-missing", folder.configuration(of: now.machine),
                    "fermata/saved/checkpoint: expected a checkpoint of the machine, found \(id)",
                    remedy: "fermata vm turn-off \(folder.name) --discard; its disks stay"))
        }
        let needed = now.memory
        if !folder.isInUse, let free = FileSystem.availableSpace(at: folder.path), free < needed {
            add(
                Finding(
                    "space-low", folder.path,
                    "a checkpoint of the running machine may need \(needed) bytes, and \(free) are free",
                    remedy: "make space where the lab lies"))
        }
    }

    mutating func examineMemory(
        _ files: MemoryFiles, moment: GUID, _ configuration: Configuration, remedy: String
    ) {
        for (file, what) in [(files.image, "memory"), (files.devices, "devices")] {
            guard FileSystem.exists(file) else {
                return add(Finding("\(what)-missing", file, "the saved \(what) are missing", remedy: remedy))
            }
            examineMode(file)
        }
        let image: MemoryImage
        do throws(EngineError) { image = try MemoryImage(reading: files.image) } catch {
            return add(Finding("memory-damaged", files.image, Self.rest(of: error, files.image), remedy: remedy))
        }
        let state: SavedState
        do throws(EngineError) { state = try SavedState(reading: files.devices) } catch {
            return add(Finding("devices-damaged", files.devices, Self.rest(of: error, files.devices), remedy: remedy))
        }
        func compare(_ code: String, _ file: FilePath, _ what: String, _ expected: String, _ found: String) {
            guard expected != found else { return }
            add(Finding(code, file, "\(what): expected \(expected), found \(found)", remedy: remedy))
        }
        compare(
            "memory-mismatch", files.image, "the memory's digest", state.description.memoryDigest,
            image.digest.description)
        compare(
            "memory-size", files.image, "the memory's size", "\(configuration.memory)", "\(image.memory)")
        compare(
            "devices-foreign", files.devices, "moment", moment.description, state.description.checkpoint.description)
    }
}

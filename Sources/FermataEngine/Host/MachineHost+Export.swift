// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
public import FermataModel
import Foundation
public import SystemPackage
import VirtualDisk

/// A checkpoint, or a whole machine, in a folder that needs nothing outside of it.
///
/// ```
/// <folder>/  <Name>.vhd, …                      disks without a parent, or each disk flattened
///            Snapshots/<VMGUID>/<GUID>.avhd     differencing disks, with relative paths to their parents alone
///            Virtual Machines/<VMGUID>.xml      the configuration as it was at the checkpoint
///            Virtual Machines/<VMGUID>/         memory and devices, if they are wanted: the machine is saved
///            Boot/<sha256>                      kernel and initial RAM disk
///            Snapshots/<CP>.xml, Snapshots/<CP>/   of a whole machine, its checkpoints and their memory
/// ```
/// It is a machine's folder of the store's layout, which readers of Hyper-V's files know.
extension MachineHost {
    /// Writes a checkpoint to a new folder, which appears under its name when it is whole and durable.
    ///
    /// - Parameters:
    ///   - checkpoint: nil for the machine as it is now, which must have no power, with all its checkpoints.
    ///   - place: the folder, an absolute path outside of the lab; its parent must exist, and it must not.
    ///   - flattened: whether each disk becomes one file; else its chain is copied file by file.
    ///   - withMemory: whether memory and devices are written, too.
    public func export(
        _ checkpoint: GUID?, to place: FilePath, flattened: Bool = false, withMemory: Bool = false
    ) async throws {
        try await withoutMerging { host in
            try await host.exclusively("an export") { host in
                try host.requireLock()
                try host.write(checkpoint, to: place, flattened, withMemory)
            }
        }
    }

    private func write(
        _ id: GUID?, to place: FilePath, _ flattened: Bool, _ withMemory: Bool
    ) throws(EngineError) {
        let configuration = try exported(id, flattened, withMemory)
        guard !FileSystem.exists(place) else {
            throw EngineError(.exists, "\(place) exists already; choose another folder")
        }
        let parent = place.removingLastComponent()
        guard let name = place.lastComponent,
            !((try? parent.resolved()) ?? parent).appending(name).starts(with: folder.lab.path)
        else {
            throw EngineError(
                .wrongState, "\(place) lies in the lab \(folder.lab.path); choose a folder outside of it")
        }
        let unfinished = place.removingLastComponent().appending(".\(name).\(GUID.random()).new")
        do {
            if let id {
                try fill(unfinished, as: place, id, configuration, flattened, withMemory)
            } else {
                try fillWithTree(unfinished, as: place, withMemory)
            }
            FaultPoint.exportCommit.before()
            try FileSystem.move(unfinished, to: place)
            FaultPoint.exportCommit.after()
        } catch {
            try? FileSystem.removeAll(unfinished)
            throw error as? EngineError ?? EngineError(.system, "\(place): \(error)", underlying: error)
        }
    }

    /// The configuration that is exported, if it can be so.
    private func exported(_ id: GUID?, _ flattened: Bool, _ withMemory: Bool) throws(EngineError) -> Configuration {
        guard let id else {
            guard running == nil else {
                throw EngineError(
                    .wrongState,
                    "machine '\(folder.name)' is \(state); save it or turn it off first, or export a checkpoint")
            }
            guard !flattened else {
                throw EngineError(
                    .wrongState, "the disks of several checkpoints cannot be one file each; export them one by one")
            }
            return record.now
        }
        guard let configuration = record.checkpoints[id] else {
            throw EngineError(.notFound, "machine '\(folder.name)' has no checkpoint \(id)")
        }
        guard !withMemory || configuration.checkpoint?.hasMemory == true else {
            throw EngineError(
                .wrongState, "checkpoint '\(configuration.name)' has no memory to export; leave its memory out")
        }
        return configuration
    }

    private func fill(
        _ unfinished: FilePath, as place: FilePath, _ id: GUID, _ configuration: Configuration, _ flattened: Bool,
        _ withMemory: Bool
    ) throws {
        let machine = configuration.machine
        let made = (machines: unfinished.appending("Virtual Machines"), boot: unfinished.appending("Boot"))
        for folder in [unfinished.appending("Snapshots/\(machine)"), made.machines.appending("\(machine)"), made.boot] {
            try FileSystem.create(folder)
        }
        var now = configuration
        now.name = folder.name.description
        now.notes = configuration.notes
        now.ancestors = []
        now.owner = nil
        now.checkpoint = nil
        var copies: [FilePath: FilePath] = [:]
        for (index, layers) in try DiskFiles.layers(of: configuration, in: folder).enumerated() {
            let file =
                flattened
                ? try flatten(layers, disk: now.disks[index].name, isFirst: index == 0, to: unfinished)
                : try copy(layers, to: unfinished, &copies)
            now.disks[index].path = place.pushing(file).string
        }
        if withMemory {
            let source = record.memory(of: id, configuration)
            let state = try SavedState(reading: source.files.devices)
            try check(state, of: source, configuration)
            try memoryImage(of: source, state, configuration).check()
            let moment = GUID.random()
            try state.moved(to: machine, at: moment, disks: now.disks).write(
                beside: source.files.image, in: made.machines.appending("\(machine)"), of: machine)
            now.saved = .own(moment: moment)
        }
        for digest in [now.boot?.kernel, now.boot?.initrd].compactMap(\.self) {
            try DiskFileCopy.copy(folder.lab.boot.appending(digest), to: made.boot.appending(digest))
        }
        try FileSystem.commit(now.file(), to: made.machines.appending("\(machine).xml"))
        for folder in ["Snapshots/\(machine)", "Snapshots", "Virtual Machines/\(machine)", "Boot"] {
            try FileSystem.synchronize(unfinished.pushing(FilePath(folder)))
        }
        try FileSystem.synchronize(unfinished)
    }

    /// Writes what a chain reads as to one file.
    ///
    /// - Returns: its path in the folder.
    private func flatten(
        _ layers: [DiskLayer], disk: String, isFirst: Bool, to unfinished: FilePath
    ) throws -> FilePath {
        let leaf = layers[0].path
        let format = DiskFormat(path: leaf) ?? .vhd
        let name = isFirst ? "\(folder.name).\(format)" : "\(folder.name)-\(disk).\(format)"
        _ = try DiskConversion.convert(
            DiskFiles.open(leaf, in: folder, .readOnly), to: unfinished.appending(name), format: format)
        try FileSystem.makePrivate(unfinished.appending(name))
        return FilePath(name)
    }

    /// Copies a chain's files to where they lie in the machine's folder; what is another machine's becomes one file.
    ///
    /// - Parameter copies: where the files are in the folder that were copied already.
    /// - Returns: the leaf's path in the folder.
    func copy(
        _ layers: [DiskLayer], to unfinished: FilePath, _ copies: inout [FilePath: FilePath]
    ) throws -> FilePath {
        var parent: FilePath?
        for (index, layer) in layers.enumerated().reversed() {
            if let copy = copies[layer.path] {
                parent = copy
                continue
            }
            var place = layer.path
            guard place.removePrefix(folder.path) else {
                // A fork's: its parents are copied with the first disk that is the machine's own.
                guard index == 0 || layers[index - 1].path.starts(with: folder.path) else { continue }
                let format = DiskFormat(path: layer.path) ?? .vhd
                let file = FilePath("Snapshots/\(record.id)/\(GUID.random()).a\(format)")
                _ = try DiskConversion.convert(
                    DiskFiles.open(layer.path, in: folder, .readOnly), to: unfinished.pushing(file), format: format)
                try FileSystem.makePrivate(unfinished.pushing(file))
                copies[layer.path] = file
                parent = file
                continue
            }
            let copy = unfinished.pushing(place)
            try DiskFileCopy.copy(layer.path, to: copy)
            if let parent {
                _ = try DiskReparenting.setParent(
                    of: copy, to: unfinished.pushing(parent), beneath: unfinished, ignoringIdentity: true,
                    keepsBackup: false)
            }
            copies[layer.path] = place
            parent = place
        }
        return parent ?? FilePath()
    }
}

extension SavedState {
    /// The same devices, as those of another machine or moment.
    func moved(to machine: GUID, at moment: GUID, disks: [Configuration.Disk]) -> SavedState {
        var state = self
        state.description.machine = machine
        state.description.checkpoint = moment
        state.description.disks = disks.map(SavedState.identity)
        return state
    }

    /// Writes the state, and copies the memory that belongs to it, as those of a saved machine.
    func write(beside image: FilePath, in place: FilePath, of machine: GUID) throws {
        try DiskFileCopy.copy(image, to: place.appending("\(machine).bin"))
        try FileSystem.write(encoded(), to: place.appending("\(machine).vsv"))
        try FileSystem.synchronize(place)
    }
}

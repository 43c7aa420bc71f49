// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import FermataModel
import SystemPackage
import VirtualDisk

/// The disk files of a machine: found by name in its own folders, made, opened as chains, removed.
enum DiskFiles {
    /// The file of a configuration's disk.
    ///
    /// Only the last component of the recorded path counts, so a moved lab, a renamed machine and a copied folder work.
    static func path(
        of disk: Configuration.Disk, machine: GUID, in folder: MachineFolder
    ) throws(EngineError) -> FilePath {
        // Hyper-V writes paths with its own separator.
        let name = disk.path.split(whereSeparator: { $0 == "/" || $0 == "\\" }).last.map(String.init) ?? ""
        for place in [folder.differencingDisks(of: machine), folder.path] where !name.isEmpty {
            if FileSystem.exists(place.appending(name)) { return place.appending(name) }
        }
        throw EngineError(
            .damaged,
            "machine '\(folder.name)': disk '\(disk.name)': expected the file '\(name)' in "
                + "\(folder.path) or \(folder.differencingDisks(of: machine)), found none")
    }

    /// Opens all disks of a configuration for writing, each with its ancestors.
    static func open(_ configuration: Configuration, in folder: MachineFolder) throws(EngineError) -> [DiskChain] {
        var chains: [DiskChain] = []
        for disk in configuration.disks {
            chains.append(
                try open(try path(of: disk, machine: configuration.machine, in: folder), in: folder, .readWrite))
        }
        return chains
    }

    /// Opens a disk with its ancestors, none of which may lie outside the lab.
    static func open(
        _ path: FilePath, in folder: MachineFolder, _ access: FileAccess
    ) throws(EngineError) -> DiskChain {
        var attempts = 0
        while true {
            do {
                return try DiskChain.open(path, beneath: folder.lab.path, access: access)
            } catch {
                // The machine's host may be in the last moment of a merge, in which the chain is described anew.
                let isPassing: [DiskError.Code] = [.unfinished, .parentMissing, .parentMismatch]
                attempts += 1
                guard isPassing.contains(error.code), attempts < 3 else {
                    throw EngineError(.damaged, "machine '\(folder.name)': \(error)", underlying: error)
                }
                DiskClaim.waitForOthers(at: FilePath(error.path))
            }
        }
    }

    /// Does for good what a killed host left in the logs of a configuration's disks, which nobody uses.
    ///
    /// Once children grow from a disk it is never written again, and other programs refuse one whose log holds changes.
    static func settle(_ configuration: Configuration, in folder: MachineFolder) throws(EngineError) {
        for chain in try chains(of: configuration, in: folder) {
            guard let leaf = chain.layers.first?.path,
                chain.warnings.contains(where: { $0.kind == .logReplayed && FilePath($0.path) == leaf })
            else { continue }
            do {
                try DiskChain.settle(leaf, beneath: folder.lab.path)
            } catch {
                throw EngineError(.damaged, "machine '\(folder.name)': \(error)", underlying: error)
            }
        }
    }

    /// Makes an empty child for each disk of a configuration, durable with its name.
    ///
    /// - Returns: the disks as a configuration names them.
    static func createChildren(
        of configuration: Configuration, in folder: MachineFolder
    ) throws(EngineError) -> [Configuration.Disk] {
        guard !configuration.disks.isEmpty else { return [] }
        let place = folder.differencingDisks(of: configuration.machine)
        try FileSystem.create(place)
        var children: [Configuration.Disk] = []
        do {
            for disk in configuration.disks {
                let parent = try path(of: disk, machine: configuration.machine, in: folder)
                // A child has its parent's format.
                let format = DiskFormat(path: parent) ?? .vhd
                let child = place.appending("\(GUID.random()).a\(format)")
                children.append(Configuration.Disk(name: disk.name, path: child.string))
                try format.createChild(at: child, of: parent, permissions: .ownerReadWrite)
            }
            try FileSystem.synchronize(place)
        } catch {
            remove(children)
            throw error as? EngineError
                ?? EngineError(.system, "machine '\(folder.name)': \(error)", underlying: error)
        }
        return children
    }

    /// Removes disks that nothing names; what cannot be removed is left for the next recovery.
    static func remove(_ disks: [Configuration.Disk]) {
        for disk in disks { try? FileSystem.remove(FilePath(disk.path)) }
    }

    /// The files that hold a configuration's disks, from each leaf to its base.
    static func layers(
        of configuration: Configuration, in folder: MachineFolder
    ) throws(EngineError) -> [[DiskLayer]] {
        try chains(of: configuration, in: folder).map(\.layers)
    }

    /// A configuration's disks, each with its ancestors, for reading.
    static func chains(
        of configuration: Configuration, in folder: MachineFolder
    ) throws(EngineError) -> [DiskChain] {
        var chains: [DiskChain] = []
        for disk in configuration.disks {
            let path = try path(of: disk, machine: configuration.machine, in: folder)
            chains.append(try open(path, in: folder, .readOnly))
        }
        return chains
    }
}

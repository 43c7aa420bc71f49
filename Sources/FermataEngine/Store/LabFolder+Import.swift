// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
public import FermataModel
import Foundation
public import SystemPackage
import VirtualDisk

/// A machine made of a folder in the store's layout, whoever wrote it, or of a disk's image.
///
/// ```
///  <folder>/Virtual Machines/<VMGUID>.xml   ──► checked: configuration, every disk with its parents, memory, boot files
///           disks, memory, Boot             ──► copied to .<Name>.<GUID>.new ──rename──► <Name>/      the commit
/// ```
/// It keeps its identity unless the lab has a machine of it already. Of paths in the configuration only the last name
/// counts; parents are found in the folder alone, and recorded anew.
extension LabFolder {
    /// Makes a machine of an exported folder, or of a file with a disk's image.
    ///
    /// - Parameters:
    ///   - place: the folder or the file, an absolute path.
    ///   - name: the machine's; nil for the name that the configuration, or the file, says.
    /// - Throws: with what does not fit; nothing is changed then.
    public func importMachine(from place: FilePath, as name: MachineName? = nil) throws(EngineError) -> MachineFolder {
        guard let status = FileSystem.status(of: place) else {
            throw EngineError(.notFound, "there is no \(place) to import")
        }
        let source =
            status.st_mode & S_IFMT == S_IFDIR ? try ImportSource(folder: place) : try ImportSource(image: place)
        let name = name ?? MachineName(source.configuration.name)
        if let problem = name.problem {
            throw EngineError(
                .wrongState, "the machine name '\(name)' \(problem); choose another one for what is imported")
        }
        try FileSystem.create(path)
        let lock = try FolderLock(path, of: "the lab \(path)")
        defer { withExtendedLifetime(lock) {} }
        try removeLeftoversWithLock()
        let target = machine(name)
        guard !FileSystem.exists(target.path) else {
            throw EngineError(.exists, "\(target.path) exists already; choose another name, or remove it")
        }
        // What is in the trash of a machine that is gone must not become this one's.
        let taken =
            try (machines() + deletedMachines()).contains { (try? $0.identity()) == source.configuration.machine }
            || FileSystem.exists(trash(of: source.configuration.machine))
        let unfinished = path.appending(".\(name).\(GUID.random()).new")
        do {
            try fill(unfinished, from: source, id: taken ? .random() : source.configuration.machine, target: target)
            FaultPoint.importCommit.before()
            try FileSystem.move(unfinished, to: target.path)
            FaultPoint.importCommit.after()
        } catch {
            try? FileSystem.removeAll(unfinished)
            throw error as? EngineError ?? EngineError(.system, "\(place): \(error)", underlying: error)
        }
        return target
    }

    private func fill(
        _ unfinished: FilePath, from source: ImportSource, id: GUID, target: MachineFolder
    ) throws {
        let virtualMachines = unfinished.appending("Virtual Machines")
        let disks = unfinished.appending("Snapshots").appending("\(id)")
        for folder in [virtualMachines.appending("\(id)"), disks] { try FileSystem.create(folder) }
        var copies: [FilePath: FilePath] = [:]
        // Identities are unique in a lab: a copy of what is there gets new ones.
        let taken = try machines().contains { machine in
            source.checkpoints.keys.contains { FileSystem.exists(machine.checkpoint($0)) }
        }
        var identities: [GUID: GUID] = [:]
        for checkpoint in source.checkpoints.keys { identities[checkpoint] = taken ? .random() : checkpoint }
        var now = source.configuration
        now.machine = id
        now.name = target.name.description
        now.ancestors = now.ancestors.compactMap { identities[$0] }
        try copyDisks(source.chains, of: &now, from: source, to: unfinished, disks, target, &copies)
        for (old, moment) in source.checkpoints.sorted(by: { $0.key < $1.key }) {
            guard let new = identities[old] else { continue }
            var checkpoint = moment.configuration
            checkpoint.machine = id
            checkpoint.ancestors = checkpoint.ancestors.compactMap { identities[$0] }
            try copyDisks(moment.chains, of: &checkpoint, from: source, to: unfinished, disks, target, &copies)
            let files = MemoryFiles(in: unfinished.appending("Snapshots/\(new)"), named: new)
            try FileSystem.create(files.folder)
            if let memory = moment.memory {
                var state = memory.state
                state.description.machine = id
                if checkpoint.checkpoint?.moment == nil { state.description.checkpoint = new }
                try DiskFileCopy.copy(memory.files.image, to: files.image)
                try FileSystem.write(state.encoded(), to: files.devices)
                try FileSystem.synchronize(files.folder)
            }
            try FileSystem.commit(checkpoint.file(), to: unfinished.appending("Snapshots/\(new).xml"))
        }
        try finish(&now, identities, unfinished, disks, from: source, id: id)
    }

    private func copyDisks(
        _ chains: [[FilePath]], of configuration: inout Configuration, from source: ImportSource,
        to unfinished: FilePath, _ disks: FilePath, _ target: MachineFolder, _ copies: inout [FilePath: FilePath]
    ) throws {
        for (index, chain) in chains.enumerated() {
            var parent: FilePath?
            for layer in chain.reversed() {
                if let copy = copies[layer] {
                    parent = copy
                    continue
                }
                // What has no parent lies beside the folders, as a machine's first disks do.
                let name = try source.isFlat ? "\(target.name).vhd" : layer.lastComponent.map(\.string).orThrow(layer)
                let copy = parent == nil ? unfinished.appending(name) : disks.appending(name)
                if source.isFlat {
                    _ = try DiskConversion.convert(source.open(layer), to: copy, format: .vhd)
                    try FileSystem.makePrivate(copy)
                } else {
                    try DiskFileCopy.copy(layer, to: copy)
                }
                if let parent {
                    _ = try DiskReparenting.setParent(of: copy, to: parent, beneath: unfinished, keepsBackup: false)
                }
                copies[layer] = copy
                parent = copy
            }
            var leaf = parent ?? FilePath()
            _ = leaf.removePrefix(unfinished)
            configuration.disks[index].path = target.path.pushing(leaf).string
        }
    }

    /// The memory of now, the boot files, and the configuration, durable with all that was copied.
    private func finish(
        _ now: inout Configuration, _ identities: [GUID: GUID], _ unfinished: FilePath, _ disks: FilePath,
        from source: ImportSource, id: GUID
    ) throws {
        let virtualMachines = unfinished.appending("Virtual Machines")
        if let memory = source.memory {
            let moment = GUID.random()
            try memory.state.moved(to: id, at: moment, disks: now.disks).write(
                beside: memory.files.image, in: virtualMachines.appending("\(id)"), of: id)
            now.saved = .own(moment: moment)
        } else if case .checkpoint(let checkpoint) = now.saved {
            now.saved = identities[checkpoint].map { .checkpoint($0) }
        } else {
            now.saved = nil
        }
        for (digest, file) in source.bootFiles { _ = try addBootFile(file, expecting: digest) }
        let all = [now] + source.checkpoints.values.map(\.configuration)
        for digest in all.flatMap({ [$0.boot?.kernel, $0.boot?.initrd] }).compactMap(\.self)
        where !FileSystem.exists(boot.appending(digest)) {
            throw EngineError(
                .damaged,
                "\(source.place): expected the boot file \(digest) in its folder 'Boot', or in the lab, found none")
        }
        try FileSystem.commit(now.file(), to: virtualMachines.appending("\(id).xml"))
        let folders = [
            disks, disks.removingLastComponent(), virtualMachines.appending("\(id)"), virtualMachines, unfinished,
        ]
        for folder in folders {
            try FileSystem.synchronize(folder)
        }
    }
}

extension Optional {
    fileprivate func orThrow(_ path: FilePath) throws(EngineError) -> Wrapped {
        guard let self else { throw EngineError(.damaged, "\(path): expected a file's name") }
        return self
    }
}

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
        var now = source.configuration
        now.machine = id
        now.name = target.name.description
        for (index, chain) in source.chains.enumerated() {
            var parent: FilePath?
            for layer in chain.reversed() {
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
                parent = copy
            }
            var leaf = parent ?? FilePath()
            _ = leaf.removePrefix(unfinished)
            now.disks[index].path = target.path.pushing(leaf).string
        }
        if let memory = source.memory {
            let moment = GUID.random()
            try memory.state.moved(to: id, at: moment, disks: now.disks).write(
                beside: memory.files.image, in: virtualMachines.appending("\(id)"), of: id)
            now.saved = .own(moment: moment)
        } else {
            now.saved = nil
        }
        for (digest, file) in source.bootFiles { _ = try addBootFile(file, expecting: digest) }
        for digest in [now.boot?.kernel, now.boot?.initrd].compactMap(\.self)
        where !FileSystem.exists(boot.appending(digest)) {
            throw EngineError(
                .damaged,
                "\(source.place): expected the boot file \(digest) in its folder 'Boot', or in the lab, found none")
        }
        try FileSystem.commit(now.file(), to: virtualMachines.appending("\(id).xml"))
        for folder in [disks, disks.removingLastComponent(), virtualMachines.appending("\(id)"), unfinished] {
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

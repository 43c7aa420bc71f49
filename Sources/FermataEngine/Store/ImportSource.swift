// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import FermataModel
import Foundation
import Hashing
import SystemPackage
import VirtualDisk

/// What is to be imported, all of it looked at.
struct ImportSource {
    let place: FilePath
    /// The configuration of the machine to be; its disks' paths are those in the source.
    private(set) var configuration: Configuration
    /// The files of each disk, from the leaf to the base.
    private(set) var chains: [[FilePath]] = []
    /// The memory of a saved machine, its pages checked.
    private(set) var memory: (state: SavedState, files: MemoryFiles)?
    /// The boot files that lie in the source, by their SHA-256.
    private(set) var bootFiles: [String: FilePath] = [:]
    /// The machine's checkpoints, by their identities.
    private(set) var checkpoints: [GUID: Moment] = [:]
    /// Whether it is one disk's image, which is converted.
    let isFlat: Bool

    /// A checkpoint that comes with the machine.
    struct Moment {
        var configuration: Configuration
        /// The files of each disk, from the leaf to the base.
        var chains: [[FilePath]]
        var memory: (state: SavedState, files: MemoryFiles)?
    }

    /// A file with a disk: a machine with that disk alone, which starts from it.
    init(image: FilePath) throws(EngineError) {
        place = image
        isFlat = true
        guard DiskFormat(path: image) != nil else {
            throw EngineError(
                .wrongState,
                "\(image): expected a folder, or a disk's image with the extension .vhd, .vhdx, .raw or .img; convert it "
                    + "first, with 'fermata disk convert'")
        }
        configuration = Configuration(
            machine: .random(), name: image.stem ?? "", created: Int64(Date().timeIntervalSince1970 * 1000), notes: nil,
            memory: 256 << 20, processors: 1, boot: nil, disks: [.init(name: "system", path: image.string)],
            devices: Configuration.Devices(), ancestors: [], owner: nil, checkpoint: nil)
        chains = [[image]]
        // Before anything is made: the disk can be read.
        _ = try open(image)
    }

    /// A folder in the store's layout.
    init(folder: FilePath) throws(EngineError) {
        place = folder
        isFlat = false
        let machines = folder.appending("Virtual Machines")
        var files: [FilePath] = []
        for parent in [machines, folder] where files.isEmpty && FileSystem.exists(parent) {
            files = try FileSystem.entries(of: parent).filter { $0.lowercased().hasSuffix(".xml") }.sorted()
                .map { parent.appending($0) }
        }
        guard let file = files.first, files.count == 1 else {
            throw EngineError(
                .damaged, "\(folder): expected one configuration in 'Virtual Machines', found \(files.count)")
        }
        configuration = try Configuration(reading: file)
        configuration.checkpoint = nil
        // They were the checkpoint's; the machine that grows from it writes.
        configuration.digests = nil
        configuration.owner = nil
        let all = (try? FileManager.default.subpathsOfDirectory(atPath: folder.string)) ?? []
        chains = try findDisks(of: configuration, among: all)
        try findCheckpoints(in: folder.appending("Snapshots"), all)
        try findMemory(beside: file)
        for configuration in [configuration] + checkpoints.values.map(\.configuration) {
            for digest in [configuration.boot?.kernel, configuration.boot?.initrd].compactMap(\.self) {
                let path = folder.appending("Boot").appending(digest)
                if FileSystem.exists(path) { bootFiles[digest] = path }
            }
        }
    }

    /// The files of a configuration's disks, each with its parents, wherever they lie in the source.
    private func findDisks(of configuration: Configuration, among all: [String]) throws(EngineError) -> [[FilePath]] {
        guard configuration.disks.count <= MachineDefinition.mostDisks else {
            throw EngineError(
                .incompatible,
                "\(place): expected at most \(MachineDefinition.mostDisks) disks, found \(configuration.disks.count)")
        }
        var chains: [[FilePath]] = []
        var names: Set<String> = []
        for disk in configuration.disks {
            if let problem = MachineDefinition.Disk.problem(ofName: disk.name) {
                throw EngineError(.damaged, "\(place): the disk name '\(disk.name)' \(problem)")
            }
            guard names.insert(disk.name).inserted else {
                throw EngineError(.damaged, "\(place): expected disks of different names, found two '\(disk.name)'")
            }
            let name = disk.path.split(whereSeparator: { $0 == "/" || $0 == "\\" }).last.map(String.init) ?? ""
            let found = all.filter { $0 == name || $0.hasSuffix("/\(name)") }
            guard let path = found.first, found.count == 1, !name.isEmpty else {
                throw EngineError(
                    .damaged, "\(place): disk '\(disk.name)': expected one file '\(name)', found \(found.count)")
            }
            chains.append(try open(place.pushing(FilePath(path))).layers.map(\.path))
        }
        return chains
    }

    /// The checkpoints that an export of a whole machine wrote; those of another program say too little.
    private mutating func findCheckpoints(in snapshots: FilePath, _ all: [String]) throws(EngineError) {
        guard FileSystem.exists(snapshots) else { return }
        for name in try FileSystem.entries(of: snapshots).sorted() where name.hasSuffix(".xml") {
            guard let id = GUID(name.dropLast(4)), id != configuration.machine else { continue }
            let file = snapshots.appending(name)
            var found = try Configuration(reading: file)
            guard let checkpoint = found.checkpoint else { continue }
            guard found.machine == configuration.machine else {
                throw EngineError(
                    .damaged,
                    "\(file): properties/global_id: expected machine \(configuration.machine), found \(found.machine)")
            }
            if let problem = CheckpointName(found.name).problem {
                throw EngineError(.damaged, "\(file): properties/name: the checkpoint name '\(found.name)' \(problem)")
            }
            found.owner = nil
            found.saved = nil
            found.checkpoint?.supersedes = nil
            found.checkpoint?.labCheckpoint = nil
            var moment = Moment(configuration: found, chains: try findDisks(of: found, among: all))
            if checkpoint.hasMemory {
                let files = MemoryFiles(in: snapshots.appending("\(id)"), named: id)
                moment.memory = (try memory(in: files, of: found, at: checkpoint.moment ?? id), files)
            }
            checkpoints[id] = moment
        }
        let names = checkpoints.values.filter { $0.configuration.checkpoint?.isOrigin == false }.map(
            \.configuration.name)
        guard Set(names).count == names.count else {
            throw EngineError(.damaged, "\(snapshots): expected checkpoints of different names, found two of one name")
        }
    }

    /// The state of a memory whose pages are checked, if it belongs to a configuration.
    private func memory(
        in files: MemoryFiles, of configuration: Configuration, at moment: GUID
    ) throws(EngineError) -> SavedState {
        let state = try SavedState(reading: files.devices)
        let image = try MemoryImage(reading: files.image)
        try image.check()
        func differs(_ what: String, _ expected: String, _ found: String) throws(EngineError) {
            guard expected != found else { return }
            throw EngineError(.incompatible, "\(files.devices): \(what): expected \(expected), found \(found)")
        }
        try differs("machine", configuration.machine.description, state.description.machine.description)
        try differs("moment", moment.description, state.description.checkpoint.description)
        try differs("memory", "\(configuration.memory) bytes", "\(image.memory) bytes")
        try differs("memory's digest", image.digest.description, state.description.memoryDigest)
        return state
    }

    /// Opens a disk of the source with its parents, none of which lies outside of it.
    func open(_ path: FilePath) throws(EngineError) -> DiskChain {
        do {
            return try DiskChain.open(path, beneath: isFlat ? place.removingLastComponent() : place)
        } catch {
            throw EngineError(.damaged, "\(error)", underlying: error)
        }
    }

    private mutating func findMemory(beside file: FilePath) throws(EngineError) {
        guard case .own(let moment) = configuration.saved else {
            if case .checkpoint(let id) = configuration.saved, checkpoints[id]?.memory != nil { return }
            configuration.saved = nil
            return
        }
        let folder = file.removingLastComponent().appending("\(configuration.machine)")
        let files = MemoryFiles(in: folder, named: configuration.machine)
        let state = try memory(in: files, of: configuration, at: moment)
        // A saved machine's disks may have grown from those that its memory knows.
        let known = zip(configuration.disks, chains).map { disk, chain in
            chain.map { SavedState.identity(of: .init(name: disk.name, path: $0.string)) }
        }
        guard known.count == state.description.disks.count,
            zip(known, state.description.disks).allSatisfy({ $0.contains($1) })
        else {
            let expected = known.compactMap(\.first).joined(separator: ", ")
            throw EngineError(
                .incompatible,
                "\(files.devices): disks: expected \(expected), found "
                    + state.description.disks.joined(separator: ", "))
        }
        memory = (state, files)
    }
}

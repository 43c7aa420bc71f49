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
    /// Whether it is one disk's image, which is converted.
    let isFlat: Bool

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
        configuration.ancestors = []
        configuration.owner = nil
        let all = (try? FileManager.default.subpathsOfDirectory(atPath: folder.string)) ?? []
        for disk in configuration.disks {
            let name = disk.path.split(whereSeparator: { $0 == "/" || $0 == "\\" }).last.map(String.init) ?? ""
            let found = all.filter { $0 == name || $0.hasSuffix("/\(name)") }
            guard let path = found.first, found.count == 1, !name.isEmpty else {
                throw EngineError(
                    .damaged, "\(folder): disk '\(disk.name)': expected one file '\(name)', found \(found.count)")
            }
            chains.append(try open(folder.pushing(FilePath(path))).layers.map(\.path))
        }
        try findMemory(beside: file)
        for digest in [configuration.boot?.kernel, configuration.boot?.initrd].compactMap(\.self) {
            let path = folder.appending("Boot").appending(digest)
            if FileSystem.exists(path) { bootFiles[digest] = path }
        }
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
            configuration.saved = nil
            return
        }
        let folder = file.removingLastComponent().appending("\(configuration.machine)")
        let files = MemoryFiles(
            folder: folder, image: folder.appending("\(configuration.machine).bin"),
            devices: folder.appending("\(configuration.machine).vsv"))
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
        let known = zip(configuration.disks, chains).map { disk, chain in
            SavedState.identity(of: .init(name: disk.name, path: chain.first?.string ?? ""))
        }
        try differs("disks", known.joined(separator: ", "), state.description.disks.joined(separator: ", "))
        memory = (state, files)
    }
}

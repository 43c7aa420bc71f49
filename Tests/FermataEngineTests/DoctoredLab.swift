// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import FermataModel
import FermataTestSupport
import Foundation
import Glibc
import StorageTestSupport
import SystemPackage
import Testing
import VirtualDisk

@testable import FermataEngine

/// A lab with two machines that has a bit of everything, and what can be done to its files.
///
/// `web`: checkpoints `root`, `hot` with memory, and `last`; it is saved. `other` is off.
final class DoctoredLab: Sendable {
    let lab: LabFolder
    let web: MachineFolder
    let other: MachineFolder
    let id: GUID
    let root: GUID
    let hot: GUID
    let last: GUID
    private let chains: [[FilePath]]

    init(in path: FilePath) async throws {
        lab = try LabFolder.create(path)
        let input = path.removingLastComponent()
        for file in ["kernel", "initrd"] { try FileSystem.write(Array(file.utf8), to: input.appending(file)) }
        let definition = MachineDefinition(
            name: "web", memory: .mebibytes(1), boot: .init(kernel: "kernel", initrd: "initrd"),
            disks: [
                .init(name: "system", size: .mebibytes(3)), .init(name: "data", size: .mebibytes(2), format: .vhdx),
            ])
        web = try lab.createMachine(definition, file: { input.appending($0) })
        other = try lab.createMachine(
            MachineDefinition(name: "other", memory: .mebibytes(1), disks: [.init(name: "disk", size: .mebibytes(1))]),
            file: { input.appending($0) })
        id = try web.identity()
        let host = try MachineHost(of: web, hypervisor: SimulatedHypervisor())
        for chain in try DiskFiles.open(await host.files.now, in: web) {
            try chain.write([UInt8](repeating: 1, count: 1 << 20), at: 0)
            try chain.close()
        }
        root = try await host.checkpoint(CheckpointRequest(name: "root")).id
        try await host.start()
        _ = try await host.run(.shell("write 512 first"))
        hot = try await host.checkpoint(CheckpointRequest(name: "hot")).id
        _ = try await host.run(.shell("set word second"))
        last = try await host.checkpoint(CheckpointRequest(name: "last")).id
        _ = try await host.run(.shell("set word third"))
        // The digests of its checkpoints are recorded beside the guest.
        try await host.mergeDisks()
        try await host.save()
        let record = await host.files
        chains = try record.diskFiles(of: record.now).map(\.chain)
        await host.close()
    }

    /// A lab whose folder is a copy of this one.
    init(copy other: DoctoredLab, at path: FilePath) async throws {
        // With its files' times: children record their parents'.
        let result = try await Tool("cp").run(["-a", other.lab.path.string, path.string])
        try #require(result.code == 0)
        func moved(_ file: FilePath) -> FilePath {
            var file = file
            _ = file.removePrefix(other.lab.path)
            return path.pushing(file)
        }
        lab = LabFolder(path)
        web = lab.machine("web")
        self.other = lab.machine("other")
        (id, root, hot, last) = (other.id, other.root, other.hot, other.last)
        chains = other.chains.map { $0.map(moved) }
    }

    /// The files of now's disk, the leaf first.
    func chain(_ disk: Int) -> [FilePath] { chains[disk] }

    var kernel: FilePath {
        get throws { lab.boot.appending(try MachineRecord(reading: web).now.boot?.kernel ?? "") }
    }

    func withHost(_ body: (MachineHost) async throws -> Void) async throws {
        let host = try MachineHost(of: web, hypervisor: SimulatedHypervisor())
        try await body(host)
        await host.close()
    }

    func write(_ text: String, _ file: FilePath) throws {
        try FileSystem.create(file.removingLastComponent())
        try FileSystem.write(Array(text.utf8), to: file)
    }

    /// Puts a copy of the last checkpoint into the trash.
    func discard(_ change: (inout Configuration) throws -> Void) throws {
        var configuration = try Configuration(reading: web.checkpoint(last))
        try change(&configuration)
        try write(String(decoding: configuration.file(), as: UTF8.self), lab.trashed(.random(), of: id))
        try mode(0o700, lab.trash(of: id))
    }

    func remove(_ file: FilePath) throws { try FileManager.default.removeItem(atPath: file.string) }

    func mode(_ mode: Int, _ file: FilePath) throws {
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: file.string)
    }

    func copy(_ file: FilePath, _ target: FilePath) throws {
        if FileSystem.exists(target) { try remove(target) }
        try FileManager.default.copyItem(atPath: file.string, toPath: target.string)
        guard let status = FileSystem.status(of: file), status.st_mode & S_IFMT == S_IFREG else { return }
        try FileStore(opening: target, access: .readWrite).setModificationTime(Int64(status.st_mtim.tv_sec))
    }

    func move(_ file: FilePath, _ target: FilePath) throws {
        try FileManager.default.moveItem(atPath: file.string, toPath: target.string)
    }

    func cut(_ file: FilePath) throws {
        let store = try FileStore(opening: file, access: .readWrite)
        try store.truncate(to: store.length() / 2)
    }

    func flip(_ file: FilePath, at offset: UInt64) throws {
        try changing(file) { $0[Int(offset)] ^= 0x10 }
    }

    /// Replaces a text on the lines with a word.
    func replace(_ old: String, _ new: String, _ file: FilePath, only word: String) throws {
        let text = String(decoding: try FileSystem.read(file, limit: 1 << 20), as: UTF8.self)
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false).map {
            $0.contains(word) ? $0.replacingOccurrences(of: old, with: new) : String($0)
        }
        try FileSystem.write(Array(lines.joined(separator: "\n").utf8), to: file)
    }

    /// Replaces a text of equal length wherever it stands in UTF-16, either end first.
    func replace(_ old: String, _ new: String, utf16In file: FilePath) throws {
        let time = try FileStore(opening: file, access: .readOnly).status().modificationTime
        try changing(file) { bytes in
            for encoding in [String.Encoding.utf16LittleEndian, .utf16BigEndian] {
                guard let from = old.data(using: encoding), let to = new.data(using: encoding) else { continue }
                var data = Data(bytes)
                while let range = data.range(of: from) { data.replaceSubrange(range, with: to) }
                bytes = Array(data)
            }
        }
        try FileStore(opening: file, access: .readWrite).setModificationTime(time)
    }

    /// As bytes go bad: without a new time of change.
    private func changing(_ file: FilePath, _ body: (inout [UInt8]) -> Void) throws {
        let store = try FileStore(opening: file, access: .readWrite)
        let time = try store.status().modificationTime
        var bytes = try store.bytes(at: 0, count: Int(store.length()))
        body(&bytes)
        try store.write(bytes, at: 0)
        try store.setModificationTime(time)
    }
}

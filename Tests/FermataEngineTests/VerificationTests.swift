// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import FermataModel
import Foundation
import StorageTestSupport
import SystemPackage
import Testing

@testable import FermataEngine
@testable import VirtualDisk

/// Everything that a checkpoint needs is read, and what is not as it was is named.
struct VerificationTests {
    private let folder: TemporaryFolder
    private let base: DoctoredLab

    init() async throws {
        folder = try TemporaryFolder()
        base = try await DoctoredLab(in: folder.path.appending("base"))
    }

    private func flip(_ file: FilePath, at offset: UInt64) throws {
        let handle = try FileHandle(forUpdating: URL(fileURLWithPath: file.string))
        defer { try? handle.close() }
        try handle.seek(toOffset: offset)
        let byte = try #require(try handle.read(upToCount: 1)?.first)
        try handle.seek(toOffset: offset)
        try handle.write(contentsOf: [byte ^ 1])
    }

    /// Puts each file's bytes into the other.
    private func swap(_ one: FilePath, _ other: FilePath) throws {
        let bytes = try [one, other].map { try Data(contentsOf: URL(fileURLWithPath: $0.string)) }
        try bytes[1].write(to: URL(fileURLWithPath: one.string))
        try bytes[0].write(to: URL(fileURLWithPath: other.string))
    }

    private func problems(_ lab: DoctoredLab) throws -> [GUID: [CheckpointVerification.Problem]] {
        let results = try lab.web.verify([lab.root, lab.hot, lab.last])
        return Dictionary(uniqueKeysWithValues: results.map { ($0.id, $0.problems) })
    }

    /// Where a file of a chain stores the first of its sectors.
    private func data(in file: FilePath, of lab: DoctoredLab) throws -> UInt64? {
        let leaf = try DiskFiles.open(file, in: lab.web, .readOnly).leaf
        var sector: UInt64 = 0
        while sector < leaf.size / 512 {
            let run = try leaf.locate(sector, count: leaf.size / 512 - sector)
            if let offset = run.offset { return offset }
            sector += run.count
        }
        return nil
    }

    @Test func `a healthy lab has no finding, and looking changes nothing`() async throws {
        let files = try FileManager.default.subpathsOfDirectory(atPath: base.lab.path.string)
        func contents() -> [Data?] {
            files.map { FileManager.default.contents(atPath: base.lab.path.appending($0).string) }
        }
        let before = contents()
        let results = try base.web.verify([base.root, base.hot, base.last])
        #expect(results.count == 3 && results.allSatisfy { $0.isOK && !$0.isPending }, "\(results)")
        let isSame = contents() == before
        #expect(isSame)
    }

    @Test func `a flipped bit is found in every file, and the file is named`() async throws {
        let record = try MachineRecord(reading: base.web)
        let last = try #require(record.checkpoints[base.last])
        var files: [(path: FilePath, offset: UInt64, worth: GUID)] = []
        for disk in try record.diskFiles(of: last) {
            for file in disk.chain {
                guard let offset = try data(in: file, of: base) else { continue }
                files.append((file, offset, base.last))
            }
        }
        #expect(files.count >= 3)
        files.append((base.web.memoryImage(base.hot), 4096 + 100, base.hot))
        files.append((base.web.memoryImage(base.hot), 130, base.hot))
        files.append((base.web.deviceState(base.hot), 70, base.hot))
        files.append((try base.kernel, 2, base.last))
        for (path, offset, id) in files {
            try flip(path, at: offset)
            let found = try #require(problems(base)[id])
            #expect(found.contains { $0.path == path }, "\(path) at \(offset): \(found)")
            try flip(path, at: offset)
        }
        #expect(try problems(base).values.allSatisfy(\.isEmpty))
    }

    @Test func `two files that changed places are found`() async throws {
        let lab = base
        // Of disks that read the same, none could be told from the other.
        try await lab.withHost { host in
            try await host.start()
            for name: CheckpointName in ["one", "two"] {
                _ = try await host.run(.shell("write 1024 \(name)"))
                _ = try await host.checkpoint(CheckpointRequest(name: name))
            }
            try await host.mergeDisks()
        }
        let record = try MachineRecord(reading: lab.web)
        let ids = try ["one", "two"].map { try record.checkpoint($0).id }
        let disks = try ids.map { try record.diskFiles(of: #require(record.checkpoints[$0]))[0].path }
        #expect(try lab.web.verify(ids).allSatisfy(\.isOK))
        try swap(disks[0], disks[1])
        #expect(try lab.web.verify(ids).allSatisfy { !$0.isOK })
        try swap(disks[0], disks[1])
        #expect(try lab.web.verify(ids).allSatisfy(\.isOK))
        let images = (lab.web.memoryImage(lab.hot), lab.web.memoryImage(lab.last))
        try swap(images.0, images.1)
        let found = try problems(lab)
        #expect(found[lab.hot]?.map(\.path) == [images.0] && found[lab.last]?.map(\.path) == [images.1], "\(found)")
        let states = (lab.web.deviceState(lab.hot), lab.web.deviceState(lab.last))
        try swap(states.0, states.1)
        let both = try problems(lab)
        #expect(both[lab.hot]?.map(\.path) == [states.0] && both[lab.last]?.map(\.path) == [states.1], "\(both)")
        try swap(images.0, images.1)
        try swap(states.0, states.1)
        #expect(try problems(lab).values.allSatisfy(\.isEmpty))
    }

    @Test func `files that are gone are named`() async throws {
        let lab = base
        for file in [lab.web.memoryImage(lab.hot), lab.web.deviceState(lab.hot), try lab.kernel] {
            let away = FilePath("\(file).away")
            try FileSystem.move(file, to: away)
            #expect(try problems(lab)[lab.hot]?.contains { $0.path == file } == true)
            try FileSystem.move(away, to: file)
        }
        #expect(try lab.web.verify([.random()]).isEmpty)
    }
}

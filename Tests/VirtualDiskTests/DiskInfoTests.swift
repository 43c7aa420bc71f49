// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import Foundation
import StorageTestSupport
import SystemPackage
import Testing
import VirtualDisk

struct DiskInfoTests {
    let disks: ThreeDisks

    init() throws {
        disks = try ThreeDisks()
    }

    private func inspect(_ path: FilePath) throws -> DiskInfo {
        try DiskInfo.inspect(path, beneath: disks.lab)
    }

    @Test func `a chain is told from its leaf to its base`() throws {
        let info = try inspect(disks.leaf)
        #expect(info.kind == .differencing)
        #expect(info.format == .vhd)
        #expect(info.size == ThreeDisks.size)
        #expect(info.allocated > 0 && info.allocated < 8 << 20)
        #expect(info.chain == [disks.leaf, disks.middle, disks.base])
        #expect(info.parent?.relation == .ok)
        #expect(info.parent?.path == disks.middle)
        #expect(try info.parent?.identity == inspect(disks.middle).identity)
        #expect(info.problem == nil)
        #expect(try inspect(disks.base).parent == nil)
    }

    @Test func `a missing parent and another disk in its place are told apart`() throws {
        try FileManager.default.removeItem(atPath: disks.middle.string)
        var info = try inspect(disks.leaf)
        #expect(info.parent?.relation == .missing)
        #expect(info.parent?.path == disks.middle)
        #expect(info.chain == [disks.leaf])
        try VHD.create(at: disks.middle, size: ThreeDisks.size)
        info = try inspect(disks.leaf)
        #expect(info.parent?.relation == .mismatch)
        #expect(info.problem?.code == .parentMismatch)
    }

    @Test func `every parent is told with what speaks for it`() throws {
        let info = try inspect(disks.leaf)
        #expect(info.links.map(\.child) == [disks.leaf, disks.middle])
        #expect(info.links.map { $0.found?.path } == [disks.middle, disks.base])
        #expect(info.links.map { $0.found?.way } == [.path(".\\middle.avhd"), .path(".\\base.vhd")])
        #expect(info.links.allSatisfy { $0.relation == .ok && $0.hasSameIdentity == true && $0.hasSameTime == true })
        // Its path leads nowhere, its name to the parent.
        try disks.edit(disks.leaf) { $0.putParentPath(".\\nowhere.avhd") }
        try FileStore(opening: disks.base, access: .readWrite).setModificationTime(1_500_000_000)
        let again = try inspect(disks.leaf).links
        #expect(again.map { $0.found?.way } == [.name("middle.avhd"), .path(".\\base.vhd")])
        #expect(again.map(\.hasSameTime) == [true, false] && again[1].found?.modificationTime == 1_500_000_000)
        #expect(again[0].recorded.relativePaths == [".\\nowhere.avhd"])
        try FileManager.default.removeItem(atPath: disks.middle.string)
        let missing = try inspect(disks.leaf).links
        #expect(missing.map(\.relation) == [.missing] && missing[0].found == nil)
    }

    @Test func `trouble further down leaves the parent as it is`() throws {
        try FileManager.default.removeItem(atPath: disks.base.string)
        let info = try inspect(disks.leaf)
        #expect(info.parent?.relation == .ok)
        #expect(info.chain == [disks.leaf, disks.middle])
        #expect(info.problem?.code == .parentMissing)
    }

    @Test func `raw files are taken by their extension, other files are refused`() throws {
        let raw = disks.lab.appending("a.raw")
        try FileStore(creating: raw).truncate(to: 1 << 20)
        #expect(try inspect(raw).kind == .raw)
        #expect(try inspect(raw).identity == nil)
        let chain = try disks.open(raw, access: .readWrite)
        try chain.write([1, 2, 3], at: 700)
        try chain.writeZeroes(701..<702)
        try chain.close()
        #expect(try FileStore(opening: raw, access: .readOnly).bytes(at: 700, count: 3) == [1, 0, 3])
        // The content of a raw file is the guest's: that it looks like a disk says nothing.
        let forged = disks.lab.appending("forged.raw")
        try FileManager.default.copyItem(atPath: disks.leaf.string, toPath: forged.string)
        #expect(try inspect(forged).kind == .raw)
        let text = disks.lab.appending("a.txt")
        try FileManager.default.copyItem(atPath: disks.leaf.string, toPath: text.string)
        #expect(#expect(throws: DiskError.self) { try inspect(text) }?.code == .unsupported)
        try FileManager.default.copyItem(atPath: raw.string, toPath: disks.lab.appending("a.vhd").string)
        #expect(#expect(throws: DiskError.self) { try inspect(disks.lab.appending("a.vhd")) }?.code == .notADisk)
        #expect(throws: DiskError.self) { try inspect(disks.lab.appending("none.vhd")) }
    }

    @Test func `an error says in one sentence which file, what and why`() throws {
        try disks.edit(disks.leaf) { $0.put(3 << 20 as UInt32, at: VHDBytes.header + 32) }
        let error = try #require(#expect(throws: DiskError.self) { try inspect(disks.leaf) })
        #expect(
            error.description
                == "\(disks.leaf): the disk is damaged or was made by a faulty program "
                + "(block size, expected a power of two from 4 KiB to 2 MiB, found 3145728)")
    }
}

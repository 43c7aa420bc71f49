// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import Foundation
import StorageTestSupport
import SystemPackage
import Testing

@testable import VirtualDisk

struct VHDLayoutTests {
    let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
    }

    @Test(
        arguments: [
            (64 << 20, 67_055_616), (136_365_211_648, 136_363_130_880), (2040 << 30, 136_899_993_600),
            (512, 0), (40 << 30, 42_949_017_600),
        ] as [(UInt64, UInt64)])
    func `the geometry is the specification's`(size: UInt64, addressed: UInt64) {
        #expect(VHDGeometry(size: size).size == addressed)
    }

    @Test func `a dynamic disk has its fields where readers look for them`() throws {
        let path = folder.appending("a.vhd")
        let identity = DiskIdentity.random()
        try VHD.create(at: path, size: 64 << 20, identity: identity)
        let disk = try VHDBytes(path)
        #expect(disk.bytes.count == 512 + 1024 + 512 + 512)
        #expect(Array(disk.bytes[0..<512]) == Array(disk.bytes[disk.footer...]))
        #expect(String(decoding: disk.bytes[0..<8], as: UTF8.self) == "conectix")
        #expect(disk.number(at: 8) == 2 && disk.number(at: 12) == 0x10000)
        #expect(String(decoding: disk.bytes[28..<32], as: UTF8.self) == "win ")
        #expect(disk.number(at: 32) == 0x0006_0003)
        #expect(String(decoding: disk.bytes[36..<40], as: UTF8.self) == "Wi2k")
        #expect(disk.number(at: 44) == 64 << 20 && disk.number(at: 52) == 64 << 20)
        #expect(disk.number(at: 60) == 3)
        #expect(Array(disk.bytes[68..<84]) == identity.bytes)
        let age = Int64(Date().timeIntervalSince1970) - VHD.seconds(disk.number(at: 24))
        #expect((0..<600).contains(age))
        #expect(String(decoding: disk.bytes[512..<520], as: UTF8.self) == "cxsparse")
        #expect(disk.bytes[520..<528].allSatisfy { $0 == 0xFF })
        #expect(disk.number(at: 512 + 28) == 32 && disk.number(at: 512 + 32) == 2 << 20)
        #expect(disk.bytes[1536..<2048].allSatisfy { $0 == 0xFF })
        var summed = disk
        summed.sum()
        #expect(summed.bytes == disk.bytes)
    }

    @Test func `data of blocks is aligned to 4 KiB, bitmaps have the first sector in the highest bit`() throws {
        let path = folder.appending("a.vhd")
        try VHD.create(at: path, size: 64 << 20)
        try VHD.createChild(at: folder.appending("b.avhd"), of: path)
        let chain = try DiskChain.open(folder.appending("b.avhd"), beneath: folder.path, access: .readWrite)
        try chain.write([UInt8](repeating: 7, count: 512), at: 9 * 512)
        try chain.write([UInt8](repeating: 7, count: 1024), at: 63 << 20)
        try chain.close()
        let disk = try VHDBytes(folder.appending("b.avhd"))
        for (block, bits) in [(0, [0, 0x40]), (31, [0, 0])] {
            let start = Int(disk.number(at: VHDBytes.table + 4 * block)) * 512
            #expect((start + 512) % 4096 == 0)
            #expect(disk.bytes[start..<start + 2].elementsEqual(bits.map(UInt8.init)))
        }
        let last = Int(disk.number(at: VHDBytes.table + 4 * 31)) * 512
        #expect(disk.bytes[last + 256] == 0xC0)
        #expect(disk.bytes[last + 512 + (1 << 20)] == 7)
        #expect(disk.footer == last + 512 + (2 << 20))
    }

    @Test func `a child records its parent's name, a relative path in bytes, and its time of change`() throws {
        try folder.makeFolder("web/Snapshots/ID")
        let parent = folder.appending("web/web.vhd")
        let identity = DiskIdentity.random()
        try VHD.create(at: parent, size: 8 << 20, identity: identity)
        try FileStore(opening: parent, access: .readWrite).setModificationTime(1_500_000_000)
        let child = folder.appending("web/Snapshots/ID/c.avhd")
        try VHD.createChild(at: child, of: parent)
        let disk = try VHDBytes(child)
        #expect(Array(disk.bytes[512 + 40..<512 + 56]) == identity.bytes)
        #expect(disk.number(at: 512 + 56) == 1_500_000_000 - 946_684_800)
        #expect(disk.bytes[512 + 64..<512 + 80].elementsEqual("\0w\0e\0b\0.\0v\0h\0d\0\0".utf8))
        #expect(
            String(decoding: disk.bytes[VHDBytes.firstLocator..<VHDBytes.firstLocator + 4], as: UTF8.self) == "W2ru")
        let length = Int(disk.number(at: VHDBytes.firstLocator + 8))
        #expect(length == "..\\..\\web.vhd".utf16.count * 2)
        #expect(disk.number(at: VHDBytes.firstLocator + 4) == 2048)
        #expect(disk.number(at: VHDBytes.firstLocator + 24) == 0, "no absolute path leaves the machine")
        let link = try DiskChain.open(child, beneath: folder.path).layers[0].parent
        #expect(link?.relativePaths == ["..\\..\\web.vhd"])
        #expect(link?.modificationTime == 1_500_000_000)
    }

    @Test func `sizes and kinds that no VHD has are refused, and leave no file`() throws {
        let path = folder.appending("a.vhd")
        for size in [0, 1, 513, VHD.largestSize + 512, .max] {
            #expect(throws: DiskError.self) { try VHD.create(at: path, size: size) }
        }
        #expect(throws: DiskError.self) { try VHD.create(at: path, size: 512, kind: .differencing) }
        #expect(throws: DiskError.self) { try VHD.create(at: folder.appending("none/a.vhd"), size: 512) }
        #expect(throws: DiskError.self) { try VHD.createChild(at: path, of: folder.appending("none.vhd")) }
        #expect(!FileManager.default.fileExists(atPath: path.string))
        try VHD.create(at: path, size: 512)
        #expect(throws: DiskError.self) { try VHD.create(at: path, size: 1024) }
        #expect(try DiskInfo.inspect(path, beneath: folder.path).size == 512)
    }

    @Test func `the largest disk can be made and written at its end`() throws {
        let path = folder.appending("a.vhd")
        try VHD.create(at: path, size: VHD.largestSize)
        let chain = try DiskChain.open(path, beneath: folder.path, access: .readWrite)
        try chain.write([1, 2, 3], at: VHD.largestSize - 3)
        try chain.close()
        let again = try DiskChain.open(path, beneath: folder.path)
        #expect(try again.bytes(at: VHD.largestSize - 4, count: 4) == [0, 1, 2, 3])
    }

    @Test func `only the creators that mean the geometry get their size from it`() throws {
        for (creator, size) in [("vpc ", 67_055_616), ("qemu", 67_055_616), ("qem2", 64 << 20), ("frma", 64 << 20)] {
            let path = folder.appending("\(creator.dropLast(creator == "vpc " ? 1 : 0)).vhd")
            try VHD.create(at: path, size: 64 << 20)
            var disk = try VHDBytes(path)
            for footer in [0, disk.footer] { disk.bytes.replaceSubrange(footer + 28..<footer + 32, with: creator.utf8) }
            disk.sum()
            try FileStore(opening: path, access: .readWrite).write(disk.bytes, at: 0)
            let chain = try DiskChain.open(path, beneath: folder.path)
            #expect(chain.size == UInt64(size), "\(creator)")
            #expect(chain.warnings.map(\.kind) == (size == 64 << 20 ? [] : [.sizeFromGeometry]))
        }
    }

    @Test(.enabled(if: OutsideReader.hasSevenZip, "7zz or qemu-img is not installed"))
    func `a disk that QEMU made reads as QEMU says`() async throws {
        let raw = folder.appending("a.raw")
        var generator = SeededGenerator(seed: 4)
        let content = generator.bytes(6 << 20)
        try FileStore(creating: raw).write(content, at: 0)
        for (subformat, kind) in [("dynamic", DiskKind.dynamic), ("fixed", .fixed)] {
            let path = folder.appending("\(subformat).vhd")
            let result = try await Tool("qemu-img").run([
                "convert", "-f", "raw", "-O", "vpc", "-o", "force_size=on,subformat=\(subformat)", raw.string,
                path.string,
            ])
            try #require(result.code == 0, "\(result.messages)")
            let chain = try DiskChain.open(path, beneath: folder.path)
            #expect(chain.layers[0].kind == kind)
            #expect(chain.size == 6 << 20)
            #expect(try chain.bytes(at: 0, count: content.count).isSame(as: content))
        }
    }
}

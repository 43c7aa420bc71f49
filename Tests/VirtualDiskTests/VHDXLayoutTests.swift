// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import StorageTestSupport
import SystemPackage
import Testing
import VirtualDisk

struct VHDXLayoutTests {
    let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
    }

    @Test(
        .enabled(if: OutsideReader.hasSevenZip, "7zz or qemu-img is not installed"),
        arguments: [("dynamic", 1), ("dynamic", 256), ("fixed", 8)])
    func `a disk that QEMU made reads as QEMU says, and can be written`(
        disk: (subformat: String, blockSize: Int)
    ) async throws {
        let raw = folder.appending("a.raw")
        var generator = SeededGenerator(seed: 4)
        var content = generator.bytes(6 << 20) + [UInt8](repeating: 0, count: 30 << 20)
        try FileStore(creating: raw).write(content, at: 0)
        let path = folder.appending("disk.vhdx")
        let result = try await Tool("qemu-img").run([
            "convert", "-f", "raw", "-O", "vhdx", "-o", "subformat=\(disk.subformat),block_size=\(disk.blockSize)M",
            raw.string, path.string,
        ])
        try #require(result.code == 0, "\(result.messages)")
        let reader = try DiskChain.open(path, beneath: folder.path)
        #expect(try reader.bytes(at: 0, count: content.count).isSame(as: content))
        let chain = try DiskChain.open(path, beneath: folder.path, access: .readWrite)
        for (place, count) in [(5 << 20, 3 << 20), (20 << 20, 700)] {
            let bytes = generator.bytes(count)
            try chain.write(bytes, at: UInt64(place))
            content.replaceSubrange(place..<place + count, with: bytes)
        }
        try chain.writeZeroes(0..<2 << 20)
        content.replaceSubrange(0..<2 << 20, with: [UInt8](repeating: 0, count: 2 << 20))
        try chain.close()
        let outside = try OutsideReader()
        try await outside.repairWithQEMU(path)
        try await outside.expectQEMU(path, reads: content)
        try await outside.expectSevenZip([path], reads: content)
    }

    @Test(.enabled(if: OutsideReader.hasSevenZip, "7zz or qemu-img is not installed"))
    func `a chain with sectors of 4 KiB reads back, whatever is asked of it`() async throws {
        let base = folder.appending("base.vhdx")
        let child = folder.appending("child.avhdx")
        let size = 12 << 20
        try VHDX.create(at: base, size: UInt64(size))
        var disk = try VHDXBytes(base)
        disk.put(4096 as UInt32, at: disk.place(of: .sectorSize))
        try FileStore(opening: base, access: .readWrite).write(disk.bytes, at: 0)
        var content = [UInt8](repeating: 0, count: size)
        var generator = SeededGenerator(seed: 44)
        for path in [base, child] {
            if path == child { try VHDX.createChild(at: child, of: base) }
            let chain = try DiskChain.open(path, beneath: folder.path, access: .readWrite)
            #expect(chain.sectorSize == 4096)
            let device: any BlockDevice = chain
            #expect(device.sectorSize == 4096)
            for _ in 0..<60 {
                let start = Int.random(in: 0..<size - 20_000, using: &generator)
                let range = start..<start + Int.random(in: 1...20_000, using: &generator)
                if generator.chance(20) {
                    try chain.writeZeroes(UInt64(range.lowerBound)..<UInt64(range.upperBound))
                    content.replaceSubrange(range, with: [UInt8](repeating: 0, count: range.count))
                } else {
                    let bytes = generator.bytes(range.count)
                    try chain.write(bytes, at: UInt64(start))
                    content.replaceSubrange(range, with: bytes)
                }
            }
            try chain.close()
            let reader = try DiskChain.open(path, beneath: folder.path)
            #expect(try reader.bytes(at: 0, count: size).isSame(as: content))
            let outside = try OutsideReader()
            try await outside.expectSevenZip(path == child ? [child, base] : [base], reads: content)
        }
    }

    @Test func `a block that is zeroed as a whole takes no space`() throws {
        let disks = try VHDXChain()
        let chain = try disks.open(access: .readWrite)
        let before = try FileStore(opening: disks.leaf, access: .readOnly).length()
        try chain.writeZeroes(6 << 20..<8 << 20)
        try chain.writeZeroes(4 << 20..<6 << 20)
        try chain.close()
        #expect(try FileStore(opening: disks.leaf, access: .readOnly).length() == before)
        let reader = try disks.open()
        #expect(try reader.bytes(at: 4 << 20, count: 4 << 20).allSatisfy { $0 == 0 })
        #expect(try reader.extents(in: 4 << 20..<8 << 20).map(\.kind) == [.hole])
        // And can be written again.
        let again = try disks.open(access: .readWrite)
        try again.write([7], at: (4 << 20) + 5000)
        try again.close()
        let found = try disks.open().bytes(at: 4 << 20, count: 2 << 20)
        #expect(found[5000] == 7 && found.filter { $0 != 0 }.count == 1)
    }
}

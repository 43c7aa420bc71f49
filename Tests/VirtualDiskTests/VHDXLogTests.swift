// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import Foundation
import StorageTestSupport
import SystemPackage
import Testing

@testable import VirtualDisk

struct VHDXLogTests {
    static let size: UInt64 = 20 << 20

    static let seeds: [UInt64] = {
        let isThorough = ProcessInfo.processInfo.environment["FERMATA_TEST_ALL"] != nil
        return SeededGenerator.seeds(isThorough ? 16 : 1) + [4]
    }()

    /// A disk as a crash leaves it at random moments of random requests: some flushed, but never closed.
    private func crashedFiles(seed: UInt64 = 4) throws -> (files: [[UInt8]], contents: [[UInt8]]) {
        let folder = try TemporaryFolder()
        let path = folder.appending("disk.vhdx")
        try VHDX.create(at: path, size: Self.size)
        let start = ["disk.vhdx": try VHDXBytes(path).bytes]
        let tree = RecordingTree(start)
        let chain = try DiskChain.open(["disk.vhdx"], in: tree, access: .readWrite)
        var generator = SeededGenerator(seed: seed)
        for _ in 0..<14 {
            let start = UInt64.random(in: 0..<Self.size - 1, using: &generator)
            let longest = generator.chance(30) ? Self.size : 12_000
            let range = start..<min(Self.size, start + .random(in: 1...longest, using: &generator))
            switch Int.random(in: 0..<10, using: &generator) {
            case 0..<7: try chain.write(generator.bytes(min(range.count, 300_000)), at: start)
            case 7..<9: try chain.writeZeroes(range)
            default: try chain.discard(range)
            }
            if generator.chance(60) { try chain.flush() }
        }
        var crashed = CrashedFiles(start)
        var files: [[UInt8]] = []
        var contents: [[UInt8]] = []
        for change in tree.log {
            crashed.advance(change)
            guard generator.chance(20) else { continue }
            let torn = crashed.some(using: &generator)
            files.append(torn["disk.vhdx"] ?? [])
            let reader = try DiskChain.open(["disk.vhdx"], in: RecordingTree(torn), access: .readOnly)
            contents.append(try reader.bytes(at: 0, count: Int(reader.size)))
        }
        return (files, contents)
    }

    @Test(.enabled(if: OutsideReader.hasSevenZip, "7zz or qemu-img is not installed"), arguments: seeds)
    func `QEMU replays the log of a crashed disk as this module does`(seed: UInt64) async throws {
        print("log seed \(seed)")
        let (files, contents) = try crashedFiles(seed: seed)
        let outside = try OutsideReader()
        var replayed = 0
        for (index, (bytes, content)) in zip(files, contents).enumerated() {
            let path = outside.folder.appending("crash-\(index).vhdx")
            let store = try FileStore(creating: path)
            try store.write(bytes, at: 0)
            if try await outside.hasOpenLog(path) { replayed += 1 }
            // Both of them on a file of their own.
            let own = outside.folder.appending("own-\(index).vhdx")
            try FileManager.default.copyItem(atPath: path.string, toPath: own.string)
            try await outside.repairWithQEMU(path)
            try await outside.expectQEMU(path, reads: content, "crash \(index) of seed \(seed)")
            try await outside.expectSevenZip([path], reads: content, "crash \(index) of seed \(seed)")
            let chain = try DiskChain.open(own, beneath: outside.folder.path, access: .readWrite)
            #expect(try chain.bytes(at: 0, count: content.count).isSame(as: content))
            try chain.close()
            try await outside.expectSevenZip([own], reads: content, "own crash \(index) of seed \(seed)")
            try await outside.expectQEMU(own, reads: content, "own crash \(index) of seed \(seed)")
            for file in [path, own] { try FileManager.default.removeItem(atPath: file.string) }
        }
        #expect(replayed > 2, "the \(files.count) crashes must leave something in the log")
    }

    /// QEMU's write of the table fails, so that what it wrote to the log is all that there is.
    @Test(.enabled(if: OutsideReader.hasSevenZip && Tool("qemu-io").isInstalled, "7zz or QEMU's tools are missing"))
    func `the log that QEMU left is replayed as QEMU does`() async throws {
        let outside = try OutsideReader()
        let path = outside.folder.appending("qemu.vhdx")
        let made = try await Tool("qemu-img").run(["create", "-q", "-f", "vhdx", path.string, "64M"])
        try #require(made.code == 0, "\(made.messages)")
        let table = try regionOffset(VHDXBytes(path), of: 0x6677_C22D)
        let options = [
            "driver=vhdx", "file.driver=blkdebug", "file.image.driver=file", "file.image.filename=\(path)",
            "file.inject-error.0.event=none", "file.inject-error.0.iotype=write", "file.inject-error.0.errno=5",
            "file.inject-error.0.sector=\(table / 512)", "file.inject-error.0.once=off",
            "file.inject-error.0.immediately=on",
        ]
        _ = try await Tool("qemu-io").run(
            ["--image-opts", options.joined(separator: ","), "-c", "write -P 7 0 100k", "-c", "abort"])
        try #require(try await outside.hasOpenLog(path))
        let chain = try DiskChain.open(path, beneath: outside.folder.path)
        #expect(chain.warnings.map(\.kind) == [.logReplayed])
        let found = try chain.bytes(at: 0, count: 64 << 20)
        #expect(found.prefix(100 << 10).allSatisfy { $0 == 7 })
        let own = outside.folder.appending("own.vhdx")
        try FileManager.default.copyItem(atPath: path.string, toPath: own.string)
        try await outside.repairWithQEMU(path)
        try await outside.expectQEMU(path, reads: found)
        try DiskChain.open(own, beneath: outside.folder.path, access: .readWrite).close()
        try await outside.expectSevenZip([own], reads: found)
        try await outside.expectQEMU(own, reads: found)
    }

    private func regionOffset(_ disk: VHDXBytes, of start: UInt32) throws -> UInt64 {
        let table = VHDXBytes.regionTables[0]
        let places = (0..<2).map { table + 16 + 32 * $0 }
        let entry = try #require(places.first { (disk.number(at: $0) as UInt32).byteSwapped == start })
        return disk.number(at: entry + 16)
    }

    @Test(arguments: [
        ("loge", 0), ("length", 8), ("tail", 12), ("sequence", 16), ("descriptors", 24), ("identity", 32),
        ("stable length", 51), ("needed length", 58), ("descriptor", 64), ("place", 82),
    ])
    func `a log entry that is not intact does not count`(field: (name: String, offset: Int)) throws {
        let (files, _) = try crashedFiles()
        for bytes in files {
            for sums in [false, true] {
                var disk = bytes.withOpenLog()
                guard let entry = disk?.newestEntry else { continue }
                disk?.bytes[entry + field.offset] ^= 0x55
                if sums { disk?.sumEntry(entry) }
                // Refused, or the entry before it is the newest: never a trap.
                let tree = RecordingTree(["disk.vhdx": disk?.bytes ?? []])
                _ = try? DiskChain.open(["disk.vhdx"], in: tree, access: .readWrite)
                    .bytes(at: 0, count: Int(Self.size))
            }
        }
    }

    /// A disk of 20 MiB whose log is to be replayed, with one entry.
    private func openDisk() throws -> VHDXBytes {
        let folder = try TemporaryFolder()
        let path = folder.appending("disk.vhdx")
        try VHDX.create(at: path, size: Self.size)
        let tree = RecordingTree(["disk.vhdx": try VHDXBytes(path).bytes])
        let chain = try DiskChain.open(["disk.vhdx"], in: tree, access: .readWrite)
        try chain.write([UInt8](repeating: 3, count: 9000), at: 0)
        try chain.flush()
        return try #require(tree.files["disk.vhdx"]?.withOpenLog())
    }

    /// Stable length, needed length, the offset of the page; the field that is refused.
    @Test(
        arguments: [
            (0, 128 << 40, 0, "log's last file offset"), (0, 1 << 40, 1 << 39, "log's last file offset"),
            (0, 64 << 20, 0, "log's last file offset"), (128 << 40, 128 << 40, 0, "length"),
            (0, 0, 127 << 40, "log descriptor"), (0, 12 << 20, 0, nil),
        ] as [(UInt64, UInt64, UInt64, String?)])
    func `a log makes no file longer than its disk could need`(
        stable: UInt64, needed: UInt64, page: UInt64, field: String?
    ) throws {
        var disk = try openDisk()
        let entry = try #require(disk.newestEntry)
        if stable > 0 { disk.put(stable, at: entry + 48) }
        if needed > 0 { disk.put(needed, at: entry + 56) }
        if page > 0 { disk.put(page, at: entry + 64 + 16) }
        disk.sumEntry(entry)
        for access in [FileAccess.readOnly, .readWrite] {
            let tree = RecordingTree(["disk.vhdx": disk.bytes])
            guard let field else {
                let chain = try DiskChain.open(["disk.vhdx"], in: tree, access: access)
                #expect(try chain.bytes(at: 0, count: 9000) == [UInt8](repeating: 3, count: 9000))
                continue
            }
            let error = #expect(throws: DiskError.self) {
                try DiskChain.open(["disk.vhdx"], in: tree, access: access)
            }
            #expect(error?.code == .malformed && error?.field == field)
            #expect(tree.log.isEmpty)
            let repaired = try DiskCheck.repair(["disk.vhdx"], in: tree)
            #expect(repaired.problems.map(\.code) == ["log-damaged"] && tree.log.isEmpty)
        }
    }

    @Test func `a log full of entries that pretend to follow one another takes little time`() throws {
        let folder = try TemporaryFolder()
        let path = folder.appending("disk.vhdx")
        try VHDX.create(at: path, size: Self.size)
        var disk = try VHDXBytes(path)
        for start in VHDXBytes.headers { disk.put(5 as UInt64, at: start + 48) }
        for (number, entry) in stride(from: VHDXBytes.log, to: VHDXBytes.metadata, by: 4096).enumerated() {
            disk.bytes.replaceSubrange(entry..<entry + 4, with: "loge".utf8)
            disk.put(4096 as UInt32, at: entry + 8)
            // Each names as its tail what is no part of any sequence.
            disk.put(UInt32((number + 9) % 256 * 4096), at: entry + 12)
            disk.put(UInt64(number % 200 + 1), at: entry + 16)
            disk.put(5 as UInt64, at: entry + 32)
            disk.sum(entry..<entry + 4096)
        }
        disk.sum()
        let tree = RecordingTree(["disk.vhdx": disk.bytes])
        let error = #expect(throws: DiskError.self) { try DiskChain.open(["disk.vhdx"], in: tree, access: .readWrite) }
        #expect(error?.field == "log")
    }

    @Test func `a disk has another identity for its children once it can be written`() throws {
        let disks = try VHDXChain()
        let before = try disks.open().layers[0].identity
        let chain = try disks.open(access: .readWrite)
        let now = chain.layers[0].identity
        #expect(before != now)
        // The child names what the disk's children will look for, whatever is written in between.
        let child = disks.lab.appending("next.avhdx")
        try VHDX.createChild(at: child, of: disks.leaf)
        try chain.write([1, 2, 3], at: 100)
        let extended = try chain.extended(byChildAt: child)
        try extended.sealParents()
        try extended.close()
        try chain.close()
        #expect(try disks.open(child).layers[1].identity == now)
        #expect(try disks.open(child).bytes(at: 100, count: 3) == [1, 2, 3])
    }
}

extension [UInt8] {
    /// The disk, if its log is to be replayed.
    fileprivate func withOpenLog() -> VHDXBytes? {
        var disk = VHDXBytes(bytes: self)
        let newest = VHDXBytes.headers.max { (disk.number(at: $0 + 8) as UInt64) < (disk.number(at: $1 + 8) as UInt64) }
        guard let newest, disk.number(at: newest + 48) as UInt64 != 0 else { return nil }
        disk.header = newest
        return disk
    }
}

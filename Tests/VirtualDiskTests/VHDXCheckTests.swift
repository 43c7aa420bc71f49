// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import StorageTestSupport
import SystemPackage
import Testing

@testable import VirtualDisk

struct VHDXCheckTests {
    /// A file with what the update of a header changes left out: nothing but their numbers says which one is newer.
    private static func normal(_ bytes: [UInt8]?) -> [UInt8] {
        var bytes = bytes ?? []
        for start in VHDXBytes.headers where bytes.count >= start + 16 {
            bytes.replaceSubrange(start + 4..<start + 16, with: repeatElement(0, count: 12))
        }
        return bytes
    }

    @Test(arguments: [DiskKind.fixed, .dynamic, .differencing])
    func `every flipped byte of metadata is reported, or does no harm`(kind: DiskKind) throws {
        let image = try SmallDisk.vhdx(kind)
        let flips = try image.flip({ RecordedChain.isThorough || $0 % 53 == 0 || $1 == 0 }, normal: Self.normal)
        print("\(kind): \(image.metadata.count) bytes, \(flips)")
        #expect(flips.reported > 8 && flips.repaired > 3)
    }

    @Test func `a repair that a power cut ends is finished by the next one`() throws {
        let image = try SmallDisk.vhdx(.dynamic)
        var files = image.files
        // A header, a region table, and what means nothing in the table.
        for place in [VHDXBytes.headers[1] + 20, VHDXBytes.regionTables[0] + 20, VHDXBytes.table + 1] {
            files[image.name]?[place] ^= 0xFF
        }
        let folder = RecordingTree(files)
        let repaired = try DiskCheck.repair([image.name], in: folder)
        #expect(
            repaired.isOK
                && repaired.repaired.map(\.code) == ["header-damaged", "region-table-damaged", "entry-reserved"])
        #expect(repaired.backup == "/recording/base.vhdx.backup-1")
        try expectWhole(folder, image)
        var generator = SeededGenerator(seed: 3)
        var crashed = CrashedFiles(files)
        for change in folder.log {
            crashed.advance(change)
            for state in [crashed.all, crashed.some(using: &generator)] {
                let again = RecordingTree(state)
                #expect(try DiskCheck.repair([image.name], in: again).isOK)
                try expectWhole(again, image)
            }
        }
        for errno in [Errno.noSpace, .ioError] {
            for call in stride(from: 1, through: folder.calls, by: RecordedChain.isThorough ? 1 : 3) {
                let failing = RecordingTree(files)
                failing.fail(.init(call: call, errno: errno, lasts: call % 2 == 0))
                #expect(throws: DiskError.self) { try DiskCheck.repair([image.name], in: failing) }
                failing.fail(nil)
                #expect(try DiskCheck.repair([image.name], in: failing).isOK)
                try expectWhole(failing, image)
            }
        }
    }

    private func expectWhole(_ folder: RecordingTree, _ image: SmallDisk) throws {
        #expect(Self.normal(folder.files[image.name]) == Self.normal(image.files[image.name]))
        #expect(try RecordedChain.read(image.name, in: folder) == image.content)
    }

    /// A disk that was flushed and not closed, with what it reads as.
    private func open(_ image: SmallDisk) throws -> (files: [String: [UInt8]], content: [Int]) {
        let folder = RecordingTree(image.files)
        let chain = try DiskChain.open([image.name], in: folder, access: .readWrite)
        try chain.write(StampedSectors.bytes(3, 0..<4), at: 0)
        try chain.flush()
        var content = image.content
        content.replaceSubrange(0..<4, with: repeatElement(3, count: 4))
        return (folder.files, content)
    }

    @Test func `a disk that was not closed is repaired by its log, wherever that is cut off`() throws {
        let image = try SmallDisk.vhdx(.differencing)
        let (files, content) = try open(image)
        let folder = RecordingTree(files)
        #expect(try DiskCheck.check([image.name], in: folder).problems.map(\.code) == ["log-dirty"])
        let repaired = try DiskCheck.repair([image.name], in: folder)
        #expect(repaired.isOK && repaired.repaired.map(\.code) == ["log-dirty"])
        #expect(try RecordedChain.read(image.name, in: folder) == content)
        var generator = SeededGenerator(seed: 5)
        var crashed = CrashedFiles(files)
        for change in folder.log {
            crashed.advance(change)
            let again = RecordingTree(crashed.some(using: &generator))
            #expect(try DiskCheck.repair([image.name], in: again).isOK)
            #expect(try RecordedChain.read(image.name, in: again) == content)
        }
    }

    @Test func `an entry that a crash tore is no damage once the log is empty`() throws {
        let image = try SmallDisk.vhdx(.dynamic)
        var disk = try image.vhdx()
        let entry =
            stride(from: VHDXBytes.log, to: VHDXBytes.metadata, by: 4096).filter { [disk] in
                disk.bytes[$0..<$0 + 4].elementsEqual("loge".utf8)
            }.max() ?? 0
        #expect(entry > 0)
        disk.bytes.replaceSubrange(entry + 512..<entry + 1024, with: repeatElement(9, count: 512))
        let folder = RecordingTree([image.name: disk.bytes])
        #expect(try DiskCheck.check([image.name], in: folder).isOK)
    }

    /// What is wrong, how it is called, and whether it can be repaired.
    struct Damage: CustomTestStringConvertible, Sendable {
        var codes: [String]
        var kind: DiskKind = .dynamic
        var isRepairable: Bool = false
        var sums: Bool = true
        var change: @Sendable (inout VHDXBytes) -> Void

        var testDescription: String { codes.joined(separator: ", ") }
    }

    static let damages: [Damage] = [
        Damage(codes: ["header-damaged"], sums: false) { disk in
            for start in VHDXBytes.headers { disk.bytes[start + 20] ^= 1 }
        },
        Damage(codes: ["identifier"], sums: false) { disk in
            for place in [0] + VHDXBytes.headers { disk.bytes[place] ^= 1 }
        },
        Damage(codes: ["region-tables-differ"]) { $0.put(4 << 20 as UInt64, at: VHDXBytes.regionTables[0] + 32) },
        Damage(codes: ["region-table-damaged"], sums: false) { disk in
            for start in VHDXBytes.regionTables { disk.bytes[start + 20] ^= 1 }
        },
        Damage(codes: ["region-outside"]) { disk in
            disk.putInBoth(1 << 40 as UInt64, VHDXBytes.regionTables, at: 16 + 16)
        },
        Damage(codes: ["overlap", "overlap"]) { disk in
            disk.changeEntry(0) { $0 = $0 & 7 | UInt64(VHDXBytes.metadata) }
        },
        Damage(codes: ["block-outside"], kind: .differencing) { $0.changeEntry(0) { $0 |= 1 << 40 } },
        Damage(codes: ["bitmap-missing"], kind: .differencing) { $0.changeEntry(2048) { $0 = 0 } },
        Damage(codes: ["bitmap-outside", "bitmap-missing"], kind: .differencing) {
            $0.changeEntry(2048) { $0 |= 1 << 40 }
        },
        Damage(codes: ["table-rest"], isRepairable: true) {
            $0.put(6 << 20 | 6 as UInt64, at: VHDXBytes.table + 8 * 2048)
        },
        Damage(codes: ["block-missing"], kind: .fixed) { $0.changeEntry(0) { $0 = 0 } },
        Damage(codes: ["block-state"]) { $0.changeEntry(0) { $0 |= 1 } },
        Damage(codes: ["table-rest"], isRepairable: true) { $0.put(1 as UInt64, at: VHDXBytes.table + 8 * 9) },
        // A size that is too small may be what is wrong, and then the blocks behind it are data.
        Damage(codes: ["table-rest"]) { disk in
            let entry: UInt64 = disk.number(at: VHDXBytes.table)
            disk.put(entry + 2 << 20, at: VHDXBytes.table + 8)
            disk.bytes += [UInt8](repeating: 1, count: 2 << 20)
        },
        Damage(codes: ["item-flags"], isRepairable: true) { $0.put(4 as UInt32, at: $0.entry(of: .size) + 24) },
        Damage(codes: ["parameter-flags"], isRepairable: true) {
            $0.put(8 as UInt32, at: $0.place(of: .fileParameters) + 4)
        },
        Damage(codes: ["locator", "block-state", "table-rest"], kind: .differencing) {
            $0.put(0 as UInt32, at: $0.place(of: .fileParameters) + 4)
        },
        Damage(codes: ["size"]) { $0.put(53760 as UInt64, at: $0.place(of: .size)) },
        Damage(codes: ["metadata-damaged"]) { $0.bytes[VHDXBytes.metadata] ^= 1 },
        Damage(codes: ["log-damaged"]) { disk in
            disk.putInBoth(5 as UInt64, VHDXBytes.headers, at: 48)
            disk.bytes.replaceSubrange(VHDXBytes.log..<VHDXBytes.metadata, with: repeatElement(0, count: 1 << 20))
        },
    ]

    @Test(arguments: damages)
    func `what is damaged is named, and repaired when nothing can be lost`(damage: Damage) throws {
        let image = try SmallDisk.vhdx(damage.kind)
        var disk = try image.vhdx()
        damage.change(&disk)
        if damage.sums { disk.sum() }
        var files = image.files
        files[image.name] = disk.bytes
        let folder = RecordingTree(files)
        let found = try DiskCheck.check([image.name], in: folder).problems
        #expect(found.map(\.code) == damage.codes, "\(found)")
        #expect(found.allSatisfy { $0.isRepairable == damage.isRepairable }, "\(found)")
        let repaired = try DiskCheck.repair([image.name], in: folder)
        #expect(repaired.isOK == damage.isRepairable)
        guard damage.isRepairable else { return #expect(folder.log.isEmpty) }
        #expect(try RecordedChain.read(image.name, in: folder) == image.content)
    }

    @Test func `a missing parent is a problem that no repair solves, and so is another disk in its place`() throws {
        var image = try SmallDisk.vhdx(.differencing)
        let base = image.files.removeValue(forKey: "base.vhdx") ?? []
        let folder = RecordingTree(image.files)
        #expect(try DiskCheck.repair([image.name], in: folder).problems.map(\.code) == ["parent-missing"])
        var other = VHDXBytes(bytes: base)
        other.putInBoth(9 as UInt64, VHDXBytes.headers, at: 32)
        other.sum()
        image.files["base.vhdx"] = other.bytes
        let replaced = RecordingTree(image.files)
        #expect(try DiskCheck.repair([image.name], in: replaced).problems.map(\.code) == ["parent-mismatch"])
        #expect(folder.log.isEmpty && replaced.log.isEmpty)
    }

    @Test func `a disk without a parent needs no sector bitmap`() throws {
        let folder = try TemporaryFolder()
        let path = folder.appending("large.vhdx")
        try VHDX.create(at: path, size: 5 << 30)
        var disk = try VHDXBytes(path)
        disk.put(6 << 20 | 6 as UInt64, at: VHDXBytes.table + 8 * 2048)
        let tree = RecordingTree(["large.vhdx": disk.bytes])
        let repaired = try DiskCheck.repair(["large.vhdx"], in: tree)
        #expect(repaired.isOK && repaired.repaired.map(\.code) == ["bitmap-needless"])
        #expect(tree.files["large.vhdx"]?.isSame(as: try VHDXBytes(path).bytes) == true)
    }

    @Test(
        .enabled(if: OutsideReader.hasSevenZip, "7zz or qemu-img is not installed"),
        arguments: [
            "subformat=dynamic", "subformat=fixed", "subformat=fixed,block_state_zero=on", "block_size=1M,log_size=2M",
        ])
    func `a disk that QEMU made is not damaged`(options: String) async throws {
        let outside = try OutsideReader()
        let path = outside.folder.appending("qemu.vhdx")
        let source = outside.folder.appending("qemu.raw")
        let store = try FileStore(creating: source)
        try store.write([UInt8](repeating: 5, count: 3 << 20), at: 4 << 20)
        try store.truncate(to: 20 << 20)
        let made = try await Tool("qemu-img").run(
            ["convert", "-f", "raw", "-O", "vhdx", "-o", options, source.string, path.string])
        try #require(made.code == 0, "\(made.messages)")
        let problems = try DiskCheck.check(path, beneath: outside.folder.path).problems
        #expect(problems == [])
    }
}

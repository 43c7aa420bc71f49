// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import StorageTestSupport
import SystemPackage
import Testing

@testable import VirtualDisk

/// Disks as other programs write them, made byte by byte.
struct VHDAuditTests {
    let folder: TemporaryFolder
    private static let parentTime: Int64 = 1_500_000_000

    init() throws {
        folder = try TemporaryFolder()
    }

    /// Writes to a disk for the first time, where it has blocks and where it has none, and expects all readers to agree.
    private func writeAndRead(_ chain: [FilePath], _ model: inout [UInt8], sevenZip: Bool, qemu: Bool) async throws {
        // Compacted, it is read by others in any case.
        let asksOthers = RecordedChain.isThorough
        let disk = try DiskChain.open(chain[0], beneath: folder.path, access: .readWrite)
        for (start, count) in [(300, 1000), (model.count - 513, 513), (model.count / 2, 512)]
        where start + count <= model.count {
            guard start >= 0 else { continue }
            let bytes = [UInt8](repeating: 0xEE, count: count)
            try disk.write(bytes, at: UInt64(start))
            model.replaceSubrange(start..<start + count, with: bytes)
        }
        try disk.close()
        try await expect(chain, model, sevenZip: asksOthers && sevenZip, qemu: asksOthers && qemu)
    }

    private func expect(_ chain: [FilePath], _ model: [UInt8], sevenZip: Bool, qemu: Bool) async throws {
        let disk = try DiskChain.open(chain[0], beneath: folder.path)
        #expect(disk.size == UInt64(model.count))
        #expect(try disk.bytes(at: 0, count: model.count).isSame(as: model))
        #expect(try DiskCheck.check(chain[0], beneath: folder.path).problems == [])
        guard OutsideReader.hasSevenZip else { return }
        let outside = try OutsideReader()
        if sevenZip { try await outside.expectSevenZip(chain, reads: model) }
        if qemu { try await outside.expectQEMU(chain[0], reads: model) }
    }

    @Test(arguments: MadeDisk.makers + MadeDisk.layouts)
    func `a disk that another program made is read, written and compacted`(made: MadeDisk) async throws {
        let path = folder.appending("a.vhd")
        try made.disk.write(to: path)
        var model = made.disk.content(size: made.size)
        let before = try DiskInfo.inspect(path, beneath: folder.path)
        #expect(before.size == made.size && before.kind == (made.disk.type == 2 ? .fixed : .dynamic))
        #expect(before.identity?.bytes == made.disk.identity)
        #expect(before.warnings.map(\.kind) == (made.size == made.disk.size ? [] : [.sizeFromGeometry]))
        try await expect([path], model, sevenZip: made.sevenZip == .always, qemu: made.qemu)
        try await writeAndRead([path], &model, sevenZip: made.sevenZip == .always, qemu: made.qemu)
        guard made.disk.type != 2 else { return }
        _ = try DiskCompaction.compact(path, beneath: folder.path)
        try await expect([path], model, sevenZip: made.sevenZip != .never, qemu: made.qemu)
        let after = try DiskInfo.inspect(path, beneath: folder.path)
        #expect(after.identity == before.identity && after.size == before.size)
    }

    @Test(arguments: zip(MadeChild.all, MadeChild.all.indices.map { 2 + UInt32($0 % 2) }))
    func `a child that another program made finds its parent`(made: MadeChild, parentType: UInt32) async throws {
        let (base, leaf) = (folder.appending("base.vhd"), folder.appending("leaf.vhd"))
        var parent = SyntheticVHD()
        parent.type = parentType
        parent.blocks = [
            SyntheticVHD.Block(number: 0, sectors: 0..<200, byte: 9),
            SyntheticVHD.Block(number: 2, sectors: 1000..<1100, byte: 50),
        ]
        try parent.write(to: base)
        try FileStore(opening: base, access: .readWrite).setModificationTime(Self.parentTime)
        var child = SyntheticVHD()
        child.type = 4
        child.identity = Array(21...36)
        child.parentIdentity = parent.identity
        child.parentTime = UInt32(Self.parentTime - 946_684_800)
        child.parentName = Array("base.vhd".utf16)
        child.blocks = [
            SyntheticVHD.Block(number: 0, sectors: 100..<300, byte: 200),
            SyntheticVHD.Block(number: 1, sectors: 3..<4, byte: 33),
        ]
        made.change(&child)
        try child.write(to: leaf)
        var model = child.content(over: parent.content())
        let info = try DiskInfo.inspect(leaf, beneath: folder.path)
        #expect(info.chain == [leaf, base] && info.problem == nil)
        #expect(info.links.map { $0.found?.way } == [made.way])
        #expect(info.warnings.map(\.kind) == [made.warning].compactMap(\.self))
        try await expect([leaf, base], model, sevenZip: made.sevenZip, qemu: false)
        try await writeAndRead([leaf, base], &model, sevenZip: made.sevenZip, qemu: false)
        _ = try DiskCompaction.compact(leaf, beneath: folder.path)
        try await expect([leaf, base], model, sevenZip: made.sevenZip, qemu: false)
        #expect(try DiskInfo.inspect(leaf, beneath: folder.path).links.map(\.recorded) == info.links.map(\.recorded))
    }

    @Test(arguments: RefusedDisk.all)
    func `what is no disk, or leads elsewhere, is refused in one sentence and stays as it is`(
        refused: RefusedDisk
    ) throws {
        let (base, path) = (folder.appending("base.vhd"), folder.appending("a.vhd"))
        let parent = SyntheticVHD()
        if refused.isChild { try parent.write(to: base) }
        var disk = SyntheticVHD()
        disk.blocks = [SyntheticVHD.Block(number: 0, sectors: 0..<9, byte: 1)]
        if refused.isChild {
            disk.type = 4
            disk.identity[0] = 99
            disk.parentIdentity = parent.identity
            disk.parentName = Array("base.vhd".utf16)
        }
        refused.change(&disk)
        // Nowhere else is what the name could not say.
        if refused.code == .parentMissing { disk.parentIdentity = [UInt8](repeating: 0xAB, count: 16) }
        try disk.write(to: path)
        let before = try VHDBytes(path).bytes
        for access in [FileAccess.readOnly, .readWrite] {
            let error = #expect(throws: DiskError.self) {
                try DiskChain.open(path, beneath: folder.path, access: access)
            }
            #expect(error?.code == refused.code, "\(String(describing: error))")
            if let field = refused.field { #expect(error?.field == field) }
            #expect(error?.description.unicodeScalars.contains { $0.properties.generalCategory == .control } == false)
        }
        #expect(throws: DiskError.self) { try DiskCompaction.compact(path, beneath: folder.path) }
        #expect(try VHDBytes(path).bytes.isSame(as: before))
    }

    @Test func `what lies in the parent's place and is no VHD is refused by its name`() throws {
        var child = SyntheticVHD()
        child.type = 4
        child.identity = Array(21...36)
        child.parentName = Array("base.vhd".utf16)
        child.locators = [SyntheticVHD.Locator("W2ru", ".\\base.vhd")]
        var parent = SyntheticVHD()
        child.parentIdentity = parent.identity
        parent.version = 0x0002_0000
        let bases: [(bytes: [UInt8], code: DiskError.Code)] = [
            ([], .notADisk), ([UInt8](repeating: 0, count: 510), .notADisk),
            ([UInt8](repeating: 0x41, count: 1 << 20), .notADisk),
            (Array(SyntheticVHD().file.dropFirst(600)), .malformed),
            (parent.file, .unsupported),
        ]
        for (bytes, code) in bases {
            let tree = RecordingTree(["leaf.vhd": child.file, "base.vhd": bytes])
            let error = #expect(throws: DiskError.self) {
                try DiskChain.open(["leaf.vhd"], in: tree, access: .readWrite)
            }
            #expect(error?.code == code && error?.path == "/recording/base.vhd", "\(String(describing: error))")
            #expect(tree.log.isEmpty)
        }
    }

    @Test func `a fixed disk is what its last footer says, whatever its guest has put before it`() throws {
        var fixed = SyntheticVHD()
        fixed.type = 2
        fixed.size = 5 << 20
        var forged = SyntheticVHD()
        forged.type = 4
        forged.parentName = Array("secret.vhd".utf16)
        forged.locators = [SyntheticVHD.Locator("W2ru", ".\\secret.vhd")]
        let head = Array(forged.file.prefix(8192))
        for footerLength in [512, 511] {
            fixed.footerLength = footerLength
            var bytes = fixed.file
            bytes.replaceSubrange(0..<head.count, with: head)
            let tree = RecordingTree(["a.vhd": bytes])
            let chain = try DiskChain.open(["a.vhd"], in: tree, access: .readWrite)
            #expect(chain.layers.map(\.kind) == [.fixed])
            #expect(try chain.bytes(at: 0, count: head.count) == head)
            // The footer lost, a copy of a fixed disk's at the start is what a guest has put there.
            bytes.removeLast(footerLength)
            bytes.replaceSubrange(0..<512, with: fixed.footer)
            let lost = RecordingTree(["a.vhd": bytes])
            let error = #expect(throws: DiskError.self) { try DiskChain.open(["a.vhd"], in: lost, access: .readWrite) }
            #expect(error?.code == .notADisk && lost.log.isEmpty)
        }
    }

    @Test(arguments: [512, 511])
    func `a growing disk whose last footer is lost is read by its copy, and gets it back with the first write`(
        footerLength: Int
    ) throws {
        for damage in [0, 1, 2] {
            var disk = SyntheticVHD()
            disk.footerLength = footerLength
            disk.blocks = [SyntheticVHD.Block(number: 1, sectors: 5..<90, byte: 4)]
            var bytes = disk.file
            switch damage {
            case 0: bytes.removeLast(footerLength)
            case 1: bytes[bytes.count - footerLength + 70] ^= 1
            default: bytes[70] ^= 1
            }
            let tree = RecordingTree(["a.vhd": bytes])
            let chain = try DiskChain.open(["a.vhd"], in: tree, access: .readOnly)
            #expect(chain.warnings.map(\.kind) == [damage == 2 ? .footerCopyDamaged : .footerRecovered])
            #expect(try chain.bytes(at: 0, count: Int(disk.size)).isSame(as: disk.content()))
            #expect(tree.log.isEmpty)
            let written = try DiskChain.open(["a.vhd"], in: tree, access: .readWrite)
            try written.write([1, 2, 3], at: 0)
            try written.close()
            let file = try #require(tree.files["a.vhd"])
            #expect(Array(file.prefix(512)) == disk.footer && Array(file.suffix(512)) == disk.footer)
            #expect(try DiskChain.open(["a.vhd"], in: tree, access: .readOnly).warnings.isEmpty)
            #expect(try DiskCheck.check(["a.vhd"], in: tree).problems == [])
        }
    }
}

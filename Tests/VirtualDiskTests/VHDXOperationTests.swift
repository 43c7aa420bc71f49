// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import StorageTestSupport
import SystemPackage
import Testing

@testable import VirtualDisk

struct VHDXOperationTests {
    @Test(arguments: [DiskKind.dynamic, .fixed])
    func `a disk that is resized keeps what it has, wherever it is cut off`(kind: DiskKind) throws {
        let image = try SmallDisk.vhdx(kind)
        let old = UInt64(SmallDisk.sectors) * 512
        // One more sector, other blocks, and more blocks than the table has room for; then less of a block.
        let sizes = [old + 4 << 20, kind == .fixed ? old - 4096 : 300 << 30, old + 512, old + 1536]
        for size in RecordedChain.isThorough ? sizes : Array(sizes.prefix(2)) {
            try OperationTests().cutOff(image.files, image.name) { folder in
                try DiskResizing.resize([image.name], to: size, in: folder)
            } check: { folder, comment in
                let disk = try DiskChain.open([image.name], in: folder, access: .readOnly)
                #expect(disk.size == old || disk.size == size, "\(comment)")
                let bytes = try disk.bytes(at: 0, count: Int(min(disk.size, old + 2 << 20)))
                let found = StampedSectors.numbers(bytes)
                #expect(found.prefix(image.content.count) == image.content.prefix(found.count), "\(comment)")
                let added = Array(bytes.dropFirst(Int(old)))
                #expect(added.isSame(as: [UInt8](repeating: 0, count: added.count)), "\(comment)")
                #expect(try DiskCheck.check([image.name], in: folder).problems == [], "\(comment)")
            }
        }
    }

    @Test func `a disk that was not closed is resized with what its log holds`() throws {
        let temporary = try TemporaryFolder()
        let path = temporary.appending("open.vhdx")
        try VHDX.create(at: path, size: 5 << 20)
        let tree = RecordingTree(["open.vhdx": try VHDXBytes(path).bytes])
        let chain = try DiskChain.open(["open.vhdx"], in: tree, access: .readWrite)
        let content = [UInt8](repeating: 7, count: 3 << 20)
        try chain.write(content, at: 0)
        try chain.flush()
        for size in [300 << 30, 4 << 20] as [UInt64] {
            let folder = RecordingTree(tree.files)
            #expect(try DiskCheck.check(["open.vhdx"], in: folder).problems.map(\.code) == ["log-dirty"])
            try DiskResizing.resize(["open.vhdx"], to: size, in: folder)
            let disk = try DiskChain.open(["open.vhdx"], in: folder, access: .readOnly)
            #expect(disk.size == size)
            #expect(try disk.bytes(at: 0, count: content.count).isSame(as: content))
            #expect(try DiskCheck.check(["open.vhdx"], in: folder).problems == [])
        }
    }

    @Test(arguments: [DiskKind.dynamic, .fixed])
    func `a disk that has grown is written, made smaller, and read by others`(kind: DiskKind) async throws {
        let folder = try TemporaryFolder()
        let path = folder.appending("a.vhdx")
        let size: UInt64 = 5 << 20
        var model = [UInt8](repeating: 0, count: Int(size))
        try VHDX.create(at: path, size: size, kind: kind)
        func write(_ range: Range<Int>, _ byte: UInt8) throws {
            let bytes = [UInt8](repeating: byte, count: range.count)
            let chain = try DiskChain.open(path, beneath: folder.path, access: .readWrite)
            try chain.write(bytes, at: UInt64(range.lowerBound))
            try chain.close()
            if range.lowerBound < model.count { model.replaceSubrange(range, with: bytes) }
        }
        func expectRead(_ comment: String) async throws {
            let chain = try DiskChain.open(path, beneath: folder.path)
            #expect(chain.size == UInt64(model.count))
            #expect(try chain.bytes(at: 0, count: Int(chain.size)).isSame(as: model), "\(comment)")
            #expect(try DiskCheck.check(path, beneath: folder.path).problems == [])
            guard OutsideReader.hasSevenZip else { return print("skipped: there is no 7zz or qemu-img") }
            let outside = try OutsideReader()
            try await outside.expectSevenZip([path], reads: model, comment)
            try await outside.expectQEMU(path, reads: model)
            let check = try await Tool("qemu-img").run(["check", "-f", "vhdx", path.string])
            #expect(check.code == 0, "qemu-img check: \(check.output) \(check.messages) \(comment)")
        }
        try write(4_000_000..<5_000_000, 1)
        for grown in [(5 << 20) + 4096, 7 << 20, 40 << 20] {
            try DiskResizing.resize(path, to: UInt64(grown), beneath: folder.path)
            model += [UInt8](repeating: 0, count: grown - model.count)
            try write(grown - 512..<grown, 2)
            if grown == 7 << 20 { try write(grown - 512..<grown, 0) }
        }
        try await expectRead("grown")
        #expect(throws: DiskError.self) { try DiskResizing.resize(path, to: 8 << 20, beneath: folder.path) }
        try write((40 << 20) - 512..<40 << 20, 0)
        try DiskResizing.resize(path, to: 8 << 20, beneath: folder.path)
        model.removeLast(model.count - 8 << 20)
        try await expectRead("made smaller")
        guard kind == .dynamic else { return }
        // The table moves to the end of the file, a block comes behind it, and the disk shrinks around it.
        try DiskResizing.resize(path, to: 600 << 30, beneath: folder.path)
        let large = try DiskChain.open(path, beneath: folder.path, access: .readWrite)
        try large.write([UInt8](repeating: 9, count: 512), at: 600 << 30 - 512)
        try large.write([UInt8](repeating: 0, count: 512), at: 600 << 30 - 512)
        try large.write([UInt8](repeating: 9, count: 512), at: 100)
        model.replaceSubrange(100..<612, with: repeatElement(9, count: 512))
        try large.close()
        #expect(try DiskCheck.check(path, beneath: folder.path).problems == [])
        try DiskResizing.resize(path, to: UInt64(model.count), beneath: folder.path)
        try await expectRead("back from 600 GiB")
    }

    @Test func `a disk with a parent or children keeps its size, and so does one of an impossible size`() throws {
        let image = try SmallDisk.vhdx(.differencing)
        let folder = RecordingTree(image.files)
        for (name, size, code) in [
            ("base.vhdx", 8 << 20, DiskError.Code.inUse), ("child.avhdx", 8 << 20, .invalidArgument),
        ] as [(String, UInt64, DiskError.Code)] {
            let error = #expect(throws: DiskError.self) { try DiskResizing.resize([name], to: size, in: folder) }
            #expect(error?.code == code)
        }
        let alone = RecordingTree(["base.vhdx": image.files["base.vhdx"] ?? []])
        for size in [65 << 40, 513, UInt64.max & ~511] as [UInt64] {
            let error = #expect(throws: DiskError.self) { try DiskResizing.resize(["base.vhdx"], to: size, in: alone) }
            #expect(error?.code == .invalidArgument)
        }
        #expect(folder.log.isEmpty && alone.log.isEmpty)
    }

    @Test func `another parent is taken after a dry run said that it is another disk`() throws {
        let chain = try RecordedChain(depth: 3, seed: 6, twin: true, format: .vhdx)
        let folder = RecordingTree(chain.files)
        let dry = try DiskReparenting.setParent(
            of: ["d2.avhdx"], to: ["d3.avhdx"], in: folder, ignoringIdentity: true, isDryRun: true)
        #expect(!dry.isSame && dry.backup == nil && folder.log.isEmpty)
        let done = try DiskReparenting.setParent(
            of: ["d2.avhdx"], to: ["d3.avhdx"], in: folder, ignoringIdentity: true)
        #expect(!done.isSame && done.identity == dry.identity && done.recorded == dry.recorded)
        // What the child has of its own is what it had, over the other parent.
        let disk = try DiskChain.open(["d2.avhdx"], in: folder, access: .readOnly)
        let (own, other) = (chain.content["d2.avhdx"] ?? [], chain.content["d3.avhdx"] ?? [])
        let found = StampedSectors.numbers(try disk.bytes(at: 0, count: Int(disk.size)))
        for extent in try disk.map() {
            let sectors = Int(extent.range.lowerBound / 512)..<Int(extent.range.upperBound / 512)
            #expect(found[sectors] == (extent.depth == 0 ? own : other)[sectors])
        }
        #expect(try DiskCheck.check(["d2.avhdx"], in: folder).problems == [])
    }

    @Test func `an operation that needs more space than there is does not begin`() throws {
        let old = UInt64(SmallDisk.sectors) * 512
        for (kind, size) in [(DiskKind.fixed, old + 8 << 20), (.dynamic, 300 << 30)] as [(DiskKind, UInt64)] {
            let image = try SmallDisk.vhdx(kind)
            let folder = RecordingTree(image.files)
            let full = FullTree(files: folder, space: 4096)
            let error = #expect(throws: DiskError.self) { try DiskResizing.resize([image.name], to: size, in: full) }
            #expect(error?.code == .noSpace && error?.field == "free bytes")
            #expect(folder.log.isEmpty)
            try DiskResizing.resize([image.name], to: size, in: FullTree(files: folder, space: 16 << 20))
        }
        for format in [DiskFormat.vhd, .vhdx] {
            let chain = try RecordedChain(depth: 2, seed: 3, format: format)
            let folder = RecordingTree(chain.files)
            let error = #expect(throws: DiskError.self) {
                try DiskReparenting.setParent(
                    of: [chain.names[1]], to: [chain.names[0]], in: FullTree(files: folder, space: 512))
            }
            #expect(error?.code == .noSpace && folder.log.isEmpty)
        }
    }
}

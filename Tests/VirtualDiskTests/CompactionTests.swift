// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import StorageTestSupport
import SystemPackage
import Testing

@testable import VirtualDisk

/// A disk, its child and its grandchild, each with blocks that need not be stored.
private struct WastefulChain {
    /// Eight blocks of 2 MiB, the last one of which is not whole.
    static let size: UInt64 = 14 << 20 + 3 << 10
    private static let block: UInt64 = 2 << 20

    let folder: TemporaryFolder
    /// The files, the base first.
    var paths: [FilePath] = []
    /// What each of them reads as.
    var contents: [[UInt8]] = []

    init(_ format: DiskFormat) throws {
        folder = try TemporaryFolder()
        let names =
            format == .vhd ? ["base.vhd", "middle.avhd", "leaf.avhd"] : ["base.vhdx", "middle.avhdx", "leaf.avhdx"]
        paths = names.map { folder.appending($0) }
        var content = [UInt8](repeating: 0, count: Int(Self.size))
        for (level, path) in paths.enumerated() {
            if level == 0 {
                try format.create(at: path, size: Self.size)
            } else {
                try format.createChild(at: path, of: paths[level - 1])
            }
            let chain = try DiskChain.open(path, beneath: folder.path, access: .readWrite)
            func put(_ byte: UInt8, _ range: Range<UInt64>) throws {
                let bytes = [UInt8](repeating: byte, count: range.count)
                try chain.write(bytes, at: range.lowerBound)
                content.replaceSubrange(Int(range.lowerBound)..<Int(range.upperBound), with: bytes)
            }
            func whole(_ number: UInt64) -> Range<UInt64> {
                number * Self.block..<min((number + 1) * Self.block, Self.size)
            }
            switch level {
            case 0:
                try put(1, whole(0))
                // Data once, zeros now; zeros from the first.
                try put(9, whole(1))
                try put(0, whole(1))
                try put(0, 4 << 20..<4 << 20 + 4096)
                try put(2, whole(3).lowerBound + 512..<whole(3).lowerBound + 2048)
                try put(3, whole(7))
            case 1:
                // As the parent has it: all of a block, and a part of one.
                try put(1, whole(0))
                try put(2, whole(3).lowerBound + 1024..<whole(3).lowerBound + 1536)
                // Zeros over zeros, zeros over data, and something else.
                try put(0, whole(2))
                try put(0, whole(7))
                try put(4, whole(4).lowerBound + 512 * 9..<whole(4).lowerBound + 512 * 10)
            default:
                // As the grandparent has it, the parent has not.
                try put(3, whole(7))
                try put(5, whole(1).lowerBound..<whole(1).lowerBound + 512)
                try put(4, whole(4).lowerBound + 512 * 9..<whole(4).lowerBound + 512 * 10)
            }
            try chain.close()
            try FileStore(opening: path, access: .readWrite).setModificationTime(RecordingTree.time)
            contents.append(content)
        }
    }

    func expectContents(_ comment: String) async throws {
        for (level, path) in paths.enumerated() {
            let chain = try DiskChain.open(path, beneath: folder.path)
            #expect(chain.warnings.isEmpty, "\(comment): \(chain.warnings)")
            #expect(try chain.bytes(at: 0, count: Int(chain.size)).isSame(as: contents[level]), "\(comment): \(path)")
            #expect(try DiskCheck.check(path, beneath: folder.path).problems == [], "\(comment): \(path)")
        }
    }

    func files() throws -> [String: [UInt8]] {
        var files: [String: [UInt8]] = [:]
        for path in paths {
            let store = try FileStore(opening: path, access: .readOnly)
            files[path.lastComponent?.string ?? ""] = try store.bytes(at: 0, count: Int(store.length()))
        }
        return files
    }
}

struct CompactionTests {
    private func length(_ path: FilePath) throws -> UInt64 {
        try FileStore(opening: path, access: .readOnly).length()
    }

    @Test(arguments: [DiskFormat.vhd, .vhdx], [[0, 1, 2], [2, 1, 0], [1, 2, 0]])
    func `a compacted chain reads as before, to others too, and is as short as can be`(
        format: DiskFormat, order: [Int]
    ) async throws {
        let chain = try WastefulChain(format)
        // Of the base the blocks of zeros go, of the children those that equal what is beneath. Zeros over data must be
        // stored in a VHD alone.
        let removed = format == .vhd ? [2, 3, 1] : [2, 4, 1]
        let block: UInt64 = format == .vhd ? 2 << 20 + 4096 : 2 << 20
        for level in order {
            let path = chain.paths[level]
            let (before, identity) = (try length(path), try DiskInfo.inspect(path, beneath: chain.folder.path).identity)
            let time = try FileStore(opening: path, access: .readOnly).status().modificationTime
            let result = try DiskCompaction.compact(path, beneath: chain.folder.path)
            #expect(try before - length(path) == UInt64(result.removedBlocks) * block, "\(format), level \(level)")
            #expect(result.removedBlocks == removed[level], "\(format), level \(level)")
            #expect(result.after < result.before)
            let info = try DiskInfo.inspect(path, beneath: chain.folder.path)
            #expect(info.identity == identity && info.allocated == result.after)
            #expect(try FileStore(opening: path, access: .readOnly).status().modificationTime == time)
            try await chain.expectContents("\(format), level \(level)")
            let again = try DiskCompaction.compact(path, beneath: chain.folder.path)
            #expect(again.removedBlocks == 0 && again.after == again.before, "\(format), level \(level)")
        }
        guard OutsideReader.hasSevenZip else { return print("skipped: there is no 7zz or qemu-img") }
        let outside = try OutsideReader()
        for level in chain.paths.indices {
            try await outside.expectSevenZip(chain.paths[...level].reversed(), reads: chain.contents[level])
        }
        try await outside.expectQEMU(chain.paths[0], reads: chain.contents[0])
    }

    @Test(arguments: [DiskFormat.vhd, .vhdx])
    func `a compacted disk is written on, and compacted again`(format: DiskFormat) async throws {
        var chain = try WastefulChain(format)
        for round in 0..<2 {
            for path in chain.paths { _ = try DiskCompaction.compact(path, beneath: chain.folder.path) }
            let bytes = [UInt8](repeating: UInt8(20 + round), count: 5000)
            let disk = try DiskChain.open(chain.paths[2], beneath: chain.folder.path, access: .readWrite)
            for offset in [3 << 20, 6 << 20, Int(WastefulChain.size) - 5000] {
                try disk.write(bytes, at: UInt64(offset))
                chain.contents[2].replaceSubrange(offset..<offset + bytes.count, with: bytes)
            }
            try disk.close()
            try await chain.expectContents("round \(round)")
        }
    }

    @Test(arguments: [DiskFormat.vhd, .vhdx])
    func `random disks read as before`(format: DiskFormat) throws {
        let folder = try TemporaryFolder()
        let seed: UInt64 = 77
        print("seed \(seed)")
        var generator = SeededGenerator(seed: seed)
        let size: UInt64 = 9 << 20 + 512
        var (paths, model): ([FilePath], [UInt8]) = ([], [UInt8](repeating: 0, count: Int(size)))
        var models: [[UInt8]] = []
        for level in 0..<4 {
            paths.append(folder.appending("d\(level).\(format)"))
            if level == 0 {
                try format.create(at: paths[0], size: size)
            } else {
                try format.createChild(at: paths[level], of: paths[level - 1])
            }
            let disk = try DiskChain.open(paths[level], beneath: folder.path, access: .readWrite)
            for _ in 0..<8 {
                let length = [512, 3000, 70_000, 2 << 20, 3 << 20].randomElement(using: &generator) ?? 1
                let start = Int.random(in: 0..<Int(size) - length, using: &generator) / 4096 * 4096
                let byte: UInt8 = [0, 0, 1, 2].randomElement(using: &generator) ?? 0
                let bytes = [UInt8](repeating: byte, count: length)
                try disk.write(bytes, at: UInt64(start))
                model.replaceSubrange(start..<start + length, with: bytes)
            }
            try disk.close()
            models.append(model)
        }
        for level in paths.indices.shuffled(using: &generator) {
            let result = try DiskCompaction.compact(paths[level], beneath: folder.path)
            #expect(result.after <= result.before)
            for (number, path) in paths.enumerated() {
                let disk = try DiskChain.open(path, beneath: folder.path)
                #expect(try disk.bytes(at: 0, count: Int(size)).isSame(as: models[number]), "\(level), \(number)")
                #expect(try DiskCheck.check(path, beneath: folder.path).problems == [])
            }
        }
    }

    @Test func `what a changed parent has is no reason to give anything up`() throws {
        let chain = try WastefulChain(.vhd)
        try FileStore(opening: chain.paths[0], access: .readWrite).setModificationTime(RecordingTree.time + 2)
        let result = try DiskCompaction.compact(chain.paths[1], beneath: chain.folder.path)
        #expect(result.removedBlocks == 0 && result.warnings.map(\.kind) == [.parentTimestamp])
    }

    @Test func `data that a bitmap hides is not given up`() throws {
        let folder = try TemporaryFolder()
        let path = folder.appending("a.vhd")
        try VHD.create(at: path, size: 4 << 20)
        let chain = try DiskChain.open(path, beneath: folder.path, access: .readWrite)
        try chain.write([UInt8](repeating: 7, count: 1 << 20), at: 0)
        try chain.close()
        let store = try FileStore(opening: path, access: .readWrite)
        try store.write([UInt8](repeating: 0, count: 512), at: 3584)
        let before = try store.bytes(at: 0, count: Int(store.length()))
        let error = #expect(throws: DiskError.self) { try DiskCompaction.compact(path, beneath: folder.path) }
        #expect(error?.code == .malformed)
        #expect(try FileStore(opening: path, access: .readOnly).bytes(at: 0, count: before.count).isSame(as: before))
        #expect(try DiskCheck.repair(path, beneath: folder.path).isOK)
        _ = try DiskCompaction.compact(path, beneath: folder.path)
        #expect(try DiskChain.open(path, beneath: folder.path).bytes(at: 0, count: 1 << 20).allSatisfy { $0 == 7 })
    }

    @Test(arguments: [DiskFormat.vhd, .vhdx], [0, 1])
    func `a compaction that is cut off leaves the disk as it was or as it will be`(
        format: DiskFormat, level: Int
    ) throws {
        let chain = try WastefulChain(format)
        let names = chain.paths.map { $0.lastComponent?.string ?? "" }
        let files = try chain.files()
        let done = RecordingTree(files)
        _ = try DiskCompaction.compact([names[level]], in: done)
        let after = try #require(done.files[names[level]])
        #expect(after.count < files[names[level]]?.count ?? 0)
        try OperationTests().cutOff(files, names[level]) { folder in
            _ = try DiskCompaction.compact([names[level]], in: folder)
        } check: { folder, comment in
            #expect(folder.files.keys.sorted() == names.sorted(), "\(comment)")
            let found = try #require(folder.files[names[level]])
            // A VHDX has another identity of its file each time.
            let isAfter = format == .vhd ? found.isSame(as: after) : found.count == after.count
            #expect(found.isSame(as: files[names[level]] ?? []) || isAfter, "\(comment)")
            guard isAfter else { return }
            for name in names[level...] {
                let disk = try DiskChain.open([name], in: folder, access: .readOnly)
                let content = chain.contents[names.firstIndex(of: name) ?? 0]
                #expect(try disk.bytes(at: 0, count: Int(disk.size)).isSame(as: content), "\(comment): \(name)")
            }
        }
    }

    @Test func `what is fixed, empty or in use stays as it is`() throws {
        let folder = try TemporaryFolder()
        for format in [DiskFormat.vhd, .vhdx] {
            let path = folder.appending("fixed.\(format)")
            try format.create(at: path, size: 3 << 20, kind: .fixed)
            let error = #expect(throws: DiskError.self) { try DiskCompaction.compact(path, beneath: folder.path) }
            #expect(error?.code == .invalidArgument && error?.description.contains("convert it") == true)
            for size in [512, 4 << 20 as UInt64] {
                let empty = folder.appending("empty-\(size).\(format)")
                try format.create(at: empty, size: size)
                let before = try length(empty)
                let result = try DiskCompaction.compact(empty, beneath: folder.path)
                #expect(try result.removedBlocks == 0 && length(empty) == before)
                let claim = try DiskClaim(on: empty, beneath: folder.path)
                let refusal = #expect(throws: DiskError.self) {
                    try DiskCompaction.compact(empty, beneath: folder.path)
                }
                #expect(refusal?.code == .inUse)
                withExtendedLifetime(claim) {}
            }
        }
    }

    @Test func `a disk whose name leaves no room for another is written as ever, and not compacted`() throws {
        let folder = try TemporaryFolder()
        let path = folder.appending(String(repeating: "n", count: 250) + ".vhd")
        try VHD.create(at: path, size: 1 << 20)
        #expect(try DiskRecovery.finish(path, beneath: folder.path) == [])
        let chain = try DiskChain.open(path, beneath: folder.path, access: .readWrite)
        try chain.write([UInt8](repeating: 0, count: 512), at: 0)
        try chain.close()
        let before = try VHDBytes(path).bytes
        let error = #expect(throws: DiskError.self) { try DiskCompaction.compact(path, beneath: folder.path) }
        #expect(error?.underlying?.errno == .fileNameTooLong)
        #expect(try VHDBytes(path).bytes == before)
    }

    @Test func `a raw disk gets holes where it is zeros`() throws {
        let folder = try TemporaryFolder()
        let path = folder.appending("a.raw")
        var content = [UInt8](repeating: 0, count: 5 << 20 + 1536)
        for start in [100_000, 3 << 20, content.count - 512] { content[start] = 7 }
        try FileStore(creating: path).write(content, at: 0)
        let result = try DiskCompaction.compact(path, beneath: folder.path)
        #expect(result.before >= 5 << 20 && result.after <= 3 * 128 << 10, "\(result)")
        #expect(try FileStore(opening: path, access: .readOnly).bytes(at: 0, count: content.count).isSame(as: content))
        #expect(try length(path) == UInt64(content.count))
    }

    @Test func `paths and bytes that no reader knows are taken over, and both footers are made again`() throws {
        let disks = try ThreeDisks()
        let content = try disks.read()
        try disks.edit(disks.middle) { disk in
            // A locator of another platform, its space in sectors, and a block behind which something lies.
            let place = disk.footer
            disk.bytes.insert(contentsOf: [UInt8](repeating: 0x41, count: 1 << 20), at: place)
            let locator = VHDBytes.firstLocator + 24
            disk.bytes.replaceSubrange(locator..<locator + 4, with: "MacX".utf8)
            disk.put(1 as UInt32, at: locator + 4)
            disk.put(20 as UInt32, at: locator + 8)
            disk.put(UInt64(place), at: locator + 16)
            disk.bytes.removeLast()
        }
        let before = try disks.open(disks.middle).layers[0]
        let result = try DiskCompaction.compact(disks.middle, beneath: disks.lab)
        #expect(result.removedBlocks == 0)
        let after = try VHDBytes(disks.middle)
        #expect(after.bytes.count % 512 == 0)
        let locator = VHDBytes.firstLocator + 24
        #expect(after.bytes[locator..<locator + 4].elementsEqual("MacX".utf8))
        let place = Int(after.number(at: locator + 20))
        #expect(after.bytes[place..<place + 20].allSatisfy { $0 == 0x41 })
        #expect(try disks.open(disks.middle).layers[0].parent == before.parent)
        #expect(try disks.read().isSame(as: content))
        #expect(try DiskCheck.check(disks.middle, beneath: disks.lab).problems == [])
    }

    @Test func `blocks that the disk's size hides are not lost`() throws {
        let folder = try TemporaryFolder()
        let path = folder.appending("a.vhd")
        // By its geometry the disk ends before its last block.
        let size: UInt64 = 8 << 20 + 512
        try VHD.create(at: path, size: size)
        let chain = try DiskChain.open(path, beneath: folder.path, access: .readWrite)
        try chain.write([UInt8](repeating: 1, count: 512), at: size - 512)
        try chain.write([UInt8](repeating: 0, count: 512), at: 0)
        try chain.close()
        var disk = try VHDBytes(path)
        for footer in [0, disk.footer] {
            disk.bytes.replaceSubrange(footer + 28..<footer + 32, with: "vpc ".utf8)
        }
        disk.sum()
        try FileStore(opening: path, access: .readWrite).write(disk.bytes, at: 0)
        let error = #expect(throws: DiskError.self) { try DiskCompaction.compact(path, beneath: folder.path) }
        #expect(error?.code == .unsupported)
        #expect(try VHDBytes(path).bytes.isSame(as: disk.bytes))
    }
}

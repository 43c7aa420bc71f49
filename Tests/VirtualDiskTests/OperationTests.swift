// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import StorageTestSupport
import SystemPackage
import Testing

@testable import VirtualDisk

struct OperationTests {
    /// Lets an operation be cut off everywhere, and expects what it leaves to be one of two states.
    func cutOff(
        _ files: [String: [UInt8]], _ leaf: String, _ operation: (RecordingTree) throws -> Void,
        check: (RecordingTree, String) throws -> Void
    ) throws {
        let folder = RecordingTree(files)
        try operation(folder)
        try check(folder, "done")
        var generator = SeededGenerator(seed: 9)
        var crashed = CrashedFiles(files)
        for (index, change) in folder.log.enumerated() {
            crashed.advance(change)
            guard RecordedChain.isThorough || index % 3 == 0 || index > folder.log.count - 4 else { continue }
            for state in [crashed.all, crashed.some(using: &generator), crashed.some(using: &generator)] {
                let again = RecordingTree(state)
                try DiskRecovery.finish([leaf], in: again)
                try check(again, "cut off after \(index + 1)")
            }
        }
        for errno in [Errno.noSpace, .ioError] {
            for call in stride(from: 1, through: folder.calls, by: RecordedChain.isThorough ? 1 : 4) {
                let failing = RecordingTree(files)
                failing.fail(.init(call: call, errno: errno, lasts: call % 2 == 0))
                #expect(throws: (any Error).self) { try operation(failing) }
                failing.fail(nil)
                try DiskRecovery.finish([leaf], in: failing)
                try check(failing, "\(errno) at call \(call)")
            }
        }
    }

    @Test(arguments: [DiskKind.dynamic, .fixed])
    func `a disk that is resized keeps what it has, wherever it is cut off`(kind: DiskKind) throws {
        let chain = try RecordedChain(depth: 1, seed: 4, kind: kind)
        let content = try #require(chain.content["d0.vhd"])
        let old = UInt64(RecordedChain.sectors) * 512
        // One more sector, another block, and more blocks than the table has room for.
        for size in [old + 512, old + 4 << 20, kind == .fixed ? old + 1536 : 600 << 20] {
            try cutOff(chain.files, "d0.vhd") { folder in
                try DiskResizing.resize(["d0.vhd"], to: size, in: folder)
            } check: { folder, comment in
                let disk = try DiskChain.open(["d0.vhd"], in: folder, access: .readOnly)
                #expect(disk.size == old || disk.size == size, "\(comment)")
                let bytes = try disk.bytes(at: 0, count: Int(min(disk.size, old + 2 << 20)))
                #expect(Array(StampedSectors.numbers(bytes).prefix(content.count)) == content, "\(comment)")
                #expect(bytes.dropFirst(Int(old)).allSatisfy { $0 == 0 }, "\(comment)")
                #expect(try DiskCheck.check(["d0.vhd"], in: folder).problems == [], "\(comment)")
            }
        }
    }

    @Test(arguments: [DiskKind.dynamic, .fixed])
    func `a disk that has grown is written, made smaller, and read by others`(kind: DiskKind) async throws {
        let folder = try TemporaryFolder()
        let path = folder.appending("a.vhd")
        let size: UInt64 = 5 << 20
        var model = [UInt8](repeating: 0, count: Int(size))
        try VHD.create(at: path, size: size, kind: kind)
        func write(_ range: Range<Int>, _ byte: UInt8) throws {
            let bytes = [UInt8](repeating: byte, count: range.count)
            let chain = try DiskChain.open(path, beneath: folder.path, access: .readWrite)
            try chain.write(bytes, at: UInt64(range.lowerBound))
            try chain.close()
            model.replaceSubrange(range, with: bytes)
        }
        try write(4_000_000..<5_000_000, 1)
        for grown in [(5 << 20) + 512, 7 << 20, 300 << 20] {
            try DiskResizing.resize(path, to: UInt64(grown), beneath: folder.path)
            model += [UInt8](repeating: 0, count: grown - model.count)
            try write(grown - 512..<grown, 2)
            if grown < 300 << 20 { try write(grown - 512..<grown, 0) }
        }
        #expect(throws: DiskError.self) { try DiskResizing.resize(path, to: 8 << 20, beneath: folder.path) }
        try write((300 << 20) - 512..<300 << 20, 0)
        try DiskResizing.resize(path, to: 8 << 20, beneath: folder.path)
        model.removeLast(model.count - 8 << 20)
        let chain = try DiskChain.open(path, beneath: folder.path)
        #expect(try chain.bytes(at: 0, count: Int(chain.size)).isSame(as: model))
        #expect(try DiskCheck.check(path, beneath: folder.path).problems == [])
        guard OutsideReader.hasSevenZip else { return print("skipped: there is no 7zz or qemu-img") }
        let outside = try OutsideReader()
        try await outside.expectSevenZip([path], reads: model)
        try await outside.expectQEMU(path, reads: model)
    }

    @Test func `a disk with a parent or children keeps its size`() throws {
        let chain = try RecordedChain(depth: 2, seed: 4)
        let folder = RecordingTree(chain.files)
        for (name, code) in [("d0.vhd", DiskError.Code.inUse), ("d1.avhd", .invalidArgument)] {
            let error = #expect(throws: DiskError.self) { try DiskResizing.resize([name], to: 8 << 20, in: folder) }
            #expect(error?.code == code)
        }
        #expect(folder.log.isEmpty)
    }

    @Test(arguments: [DiskFormat.vhd, .vhdx])
    func `a child is given its parent in another place, wherever that is cut off`(format: DiskFormat) throws {
        let chain = try RecordedChain(depth: 3, seed: 6, format: format)
        let (base, middle, leaf) = (chain.names[0], chain.names[1], chain.names[2])
        var files = chain.files
        let place = ["elsewhere", "with a longer name than it had before", "moved-\(middle)"]
        files[place.joined(separator: "/")] = files.removeValue(forKey: middle)
        files["elsewhere/with a longer name than it had before/\(base)"] = files.removeValue(forKey: base)
        let content = try #require(chain.content[leaf])
        try cutOff(files, leaf) { folder in
            let before = folder.logCount
            let dry = try DiskReparenting.setParent(of: [leaf], to: place, in: folder, isDryRun: true)
            #expect(dry.isSame && dry.backup == nil && folder.logCount == before)
            let done = try DiskReparenting.setParent(of: [leaf], to: place, in: folder)
            #expect(done.backup?.string == "/recording/\(leaf).backup-1")
            let now = try DiskChain.open([leaf], in: folder, access: .readOnly)
            #expect(!now.warnings.contains { $0.kind == .parentMoved })
        } check: { folder, comment in
            // Until then it is found by its identity, with a warning.
            let found = try RecordedChain.read(leaf, in: folder)
            #expect(found == content, "\(comment)")
        }
    }

    @Test(arguments: [DiskFormat.vhd, .vhdx])
    func `another disk becomes the parent only when that is meant, and never a descendant`(format: DiskFormat) throws {
        let chain = try RecordedChain(depth: 3, seed: 6, twin: true, format: format)
        let names = chain.names
        let folder = RecordingTree(chain.files)
        let error = try #require(
            #expect(throws: DiskError.self) {
                try DiskReparenting.setParent(of: [names[2]], to: [names[3]], in: folder)
            })
        #expect(error.code == .parentMismatch && error.description.contains("--ignore-id-mismatch"))
        let cycle = #expect(throws: DiskError.self) {
            try DiskReparenting.setParent(of: [names[1]], to: [names[2]], in: folder, ignoringIdentity: true)
        }
        #expect(cycle?.code == .cycle)
        #expect(throws: DiskError.self) { try DiskReparenting.setParent(of: [names[0]], to: [names[1]], in: folder) }
        #expect(folder.log.isEmpty)
        _ = try DiskReparenting.setParent(of: [names[2]], to: [names[3]], in: folder, ignoringIdentity: true)
        let open = try DiskChain.open([names[2]], in: folder, access: .readOnly)
        #expect(open.layers.map(\.path.lastComponent?.string) == [names[2], names[3], names[1], names[0]])
    }

    @Test(arguments: [DiskFormat.vhd, .vhdx])
    func `a map and a difference say what reading does`(format: DiskFormat) throws {
        let chain = try RecordedChain(depth: 3, seed: 8, twin: true, format: format)
        let (leaf, twin) = (chain.names[2], chain.names[3])
        let folder = RecordingTree(chain.files)
        let (one, other) = try (
            DiskChain.open([leaf], in: folder, access: .readOnly),
            DiskChain.open([twin], in: folder, access: .readOnly)
        )
        let (left, right) = (chain.content[leaf] ?? [], chain.content[twin] ?? [])
        var expected = [Bool](repeating: false, count: left.count)
        for sector in left.indices { expected[sector] = left[sector] != right[sector] }
        var found = [Bool](repeating: false, count: left.count)
        for range in try DiskDifference(one, other).ranges {
            for sector in range.lowerBound / 512..<range.upperBound / 512 { found[Int(sector)] = true }
        }
        #expect(found == expected)
        #expect(try DiskDifference(one, one).isEmpty)
        var end: UInt64 = 0
        for extent in try one.map() {
            #expect(extent.range.lowerBound == end && !extent.range.isEmpty)
            end = extent.range.upperBound
            for sector in extent.range.lowerBound / 512..<end / 512 {
                let stamp = left[Int(sector)]
                // A sector shows the write of the disk that has it; zeros may be written anywhere.
                #expect(extent.isData || stamp == 0)
                #expect(stamp == 0 || extent.depth == 2 - stamp / 100, "sector \(sector), write \(stamp)")
            }
        }
        #expect(end == one.size)
    }
}

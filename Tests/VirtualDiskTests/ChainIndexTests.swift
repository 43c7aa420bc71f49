// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import StorageTestSupport
import Synchronization
import SystemPackage
import Testing

@testable import VirtualDisk

/// Long chains in which each disk has something in every block.
struct ChainIndexTests {
    static let size: UInt64 = 6 << 20
    static let depth = 40

    let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
    }

    /// Makes a chain, and tells what it must read as.
    private func makeChain(on kind: DiskKind, _ random: inout SeededGenerator) throws -> [UInt8] {
        var content = [UInt8](repeating: 0, count: Int(Self.size))
        for level in 1...Self.depth {
            let path = name(level)
            if level == 1 {
                try VHD.create(at: path, size: Self.size, kind: kind)
            } else {
                try VHD.createChild(at: path, of: name(level - 1))
            }
            let chain = try DiskChain.open(path, beneath: folder.path, access: .readWrite)
            for block in 0..<3 as Range<UInt64> {
                for _ in 0..<4 {
                    let sector = block * 4096 + UInt64.random(in: 0..<4000, using: &random)
                    let count = UInt64.random(in: 1...24, using: &random)
                    let bytes = [UInt8](repeating: UInt8(level), count: Int(count) * 512)
                    try unsafe chain.write(bytes.span.bytes, at: sector * 512)
                    content.replaceSubrange(Int(sector * 512)..<Int((sector + count) * 512), with: bytes)
                }
            }
            try chain.close()
        }
        return content
    }

    private func name(_ level: Int) -> FilePath { folder.appending("\(level).vhd") }

    private func read(_ chain: DiskChain, _ offset: UInt64, _ count: Int) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0xEE, count: count)
        var span = bytes.mutableSpan
        var raw = unsafe span.mutableBytes
        try chain.read(into: &raw, at: offset)
        return bytes
    }

    @Test(arguments: [DiskKind.dynamic, .fixed])
    func `a read costs one read of one file, however many disks there are`(kind: DiskKind) throws {
        var random = SeededGenerator(seed: 64)
        let content = try makeChain(on: kind, &random)
        let tree = try CountingTree(folder.path)
        let chain = try DiskChain.open(["\(Self.depth).vhd"], in: tree, access: .readOnly)
        #expect(try read(chain, 0, content.count) == content)
        _ = tree.takeCounts()
        for _ in 0..<500 {
            let sector = Int.random(in: 0..<content.count / 512, using: &random)
            #expect(try read(chain, UInt64(sector) * 512, 512) == Array(content[sector * 512..<sector * 512 + 512]))
            #expect(tree.takeCounts().reads <= 1)
        }
    }

    @Test func `bitmaps are read when they are needed, those of a block's disks once`() throws {
        var random = SeededGenerator(seed: 65)
        let content = try makeChain(on: .dynamic, &random)
        let tree = try CountingTree(folder.path)
        let chain = try DiskChain.open(["\(Self.depth).vhd"], in: tree, access: .readOnly)
        // Two footers, a header, a locator and a table for each disk; no bitmap.
        let opening = tree.takeCounts()
        #expect(opening.reads <= Self.depth * 8 && opening.bytes <= Self.depth * 8192)
        #expect(try read(chain, 0, 512) == Array(content[..<512]))
        #expect(tree.takeCounts().reads <= Self.depth + 1)
        #expect(try read(chain, 100 * 512, 512) == Array(content[100 * 512..<101 * 512]))
        #expect(tree.takeCounts().reads <= 1)
    }

    @Test func `a table of which most is unused is kept small and says the same`() throws {
        let path = folder.appending("large.vhd")
        try VHD.create(at: path, size: 300 << 30)
        let writing = try DiskChain.open(path, beneath: folder.path, access: .readWrite)
        let offsets = [0, 5 << 20, 7 << 30, (150 << 30) + 4096, (300 << 30) - 512] as [UInt64]
        for (index, offset) in offsets.enumerated() {
            let bytes = [UInt8](repeating: UInt8(index + 1), count: 512)
            try unsafe writing.write(bytes.span.bytes, at: offset)
        }
        try writing.close()
        for access in [FileAccess.readOnly, .readWrite] {
            let chain = try DiskChain.open(path, beneath: folder.path, access: access)
            let image = try #require(chain.leaf as? VHDSparseImage)
            #expect(image.state.withLock { $0.table.positions } == (access == .readOnly ? 5 : 153_600))
            #expect(image.presentBlocks == [0, 2, 3584, 76800, 153_599])
            for (index, offset) in offsets.enumerated() {
                #expect(try read(chain, offset, 512) == [UInt8](repeating: UInt8(index + 1), count: 512))
            }
            #expect(try read(chain, 1 << 30, 4096) == [UInt8](repeating: 0, count: 4096))
        }
    }

    @Test func `parts that were merged are forgotten when there are too many, and found again`() {
        let run = MergedPart.Run(start: 0, image: 3, offset: 4096)
        let part = MergedPart(runs: Array(repeating: run, count: 1 << 12), sectors: 4096)
        var parts = MergedParts()
        for number in 0..<1000 as Range<UInt64> { parts.keep(part, for: number) }
        #expect(parts.find(0, 0, 1) == nil)
        #expect(parts.find(999, 0, 1)?.image == 3)
        let kept = (0..<1000 as Range<UInt64>).count { parts.find($0, 0, 1) != nil }
        #expect(kept == 256)
        parts.keep(part, for: 0)
        #expect(parts.find(0, 0, 1)?.image == 3)
    }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import Foundation
import StorageTestSupport
import SystemPackage
import Testing
import VirtualDisk

struct ChainPropertyTests {
    static let seeds: [UInt64] = [
        1, 2, 3, 12_583_365_664_803_110_168, 8_108_582_144_146_657_070, .random(in: 0 ... .max),
    ]

    static let isThorough: Bool = ProcessInfo.processInfo.environment["FERMATA_TEST_ALL"] != nil

    /// An odd size: the last block is partial and ends in the middle of a bitmap's byte.
    ///
    /// 7-Zip refuses a VHDX with an odd number of sectors, for it tests one bit of the size in place of those below it.
    static func oddSize(_ format: DiskFormat) -> Int { (64 << 20) + (format == .vhdx ? 778 : 777) * 512 }

    @Test(
        .enabled(if: OutsideReader.hasSevenZip, "7zz or qemu-img is not installed"), arguments: seeds,
        [DiskFormat.vhd, .vhdx])
    func `any requests to any chain read back, here and by 7-Zip`(seed: UInt64, format: DiskFormat) async throws {
        print("chain property seed \(seed) \(format)")
        let size = seed % 2 == 0 ? Self.oddSize(format) : 9 << 20
        var load = try ChainWorkload(
            seed: seed, size: size, unit: seed % 3 == 0 ? 1 : 512, base: .dynamic, format: format)
        try run(&load, depth: Int(seed % (Self.isThorough ? 8 : 4)) + 1, steps: 60)
        let outside = try OutsideReader()
        var paths: [FilePath] = []
        for disk in load.sealed + [(load.leaf, load.model)] {
            paths.insert(disk.path, at: 0)
            try await outside.expectSevenZip(paths, reads: disk.content, "seed \(seed), depth \(paths.count)")
        }
        try await outside.expectQEMU(
            load.folder.appending("web/base.\(format)"), reads: load.sealed.first?.content ?? load.model)
    }

    @Test(
        .enabled(if: OutsideReader.hasLibVHDI, "vhdimount or FUSE is missing"), arguments: seeds,
        OutsideReader.hasPyVHDI ? [DiskFormat.vhd, .vhdx] : [.vhd])
    func `requests aligned to 4 KiB read back by libvhdi`(seed: UInt64, format: DiskFormat) async throws {
        print("aligned property seed \(seed) \(format)")
        var load = try ChainWorkload(seed: seed, size: 24 << 20, unit: 4096, base: .dynamic, format: format)
        // Where a child says that a whole block is zeros, libvhdi reads the parent's.
        if format == .vhdx { load.longestZeros = 1 << 20 }
        try run(&load, depth: 3, steps: 50)
        let outside = try OutsideReader()
        let paths = [load.leaf] + load.sealed.reversed().map(\.path)
        try await outside.expectLibVHDI(paths, reads: load.model, "seed \(seed)")
        try await outside.expectSevenZip(paths, reads: load.model, "seed \(seed)")
    }

    @Test(
        .enabled(if: OutsideReader.hasSevenZip, "7zz or qemu-img is not installed"), arguments: [DiskFormat.vhd, .vhdx])
    func `a chain on a fixed base reads back`(format: DiskFormat) async throws {
        var load = try ChainWorkload(seed: 5, size: 7 << 20, unit: 512, base: .fixed, format: format)
        try run(&load, depth: 2, steps: 60)
        let outside = try OutsideReader()
        try await outside.expectSevenZip([load.leaf, load.sealed[0].path], reads: load.model)
        try await outside.expectQEMU(load.sealed[0].path, reads: load.sealed[0].content)
    }

    private func run(_ load: inout ChainWorkload, depth: Int, steps: Int) throws {
        for number in 0..<depth {
            for _ in 0..<steps { try load.step() }
            try load.checkWhole()
            if number < depth - 1 { try load.addChild(number) }
        }
        try load.reopen()
        try load.checkWhole()
        #expect(load.chain.warnings.isEmpty, "\(load.chain.warnings)")
        #expect(load.chain.layers.count == depth)
        try load.chain.close()
    }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import StorageTestSupport
import SystemPackage
import Testing
import VirtualDisk

struct VHDXMergeTests {
    static let seeds: [UInt64] = [21, .random(in: 0 ... .max)]

    /// Merges a disk of a chain of four into another one, and reads the rest by this module and 7-Zip.
    @Test(
        .enabled(if: OutsideReader.hasSevenZip, "7zz or qemu-img is not installed"), arguments: seeds,
        [(3, 2), (1, 0), (3, 0), (0, 1), (1, 3), (0, 3)])
    func `a merged chain reads as before`(seed: UInt64, plan: (source: Int, target: Int)) async throws {
        print("VHDX merge seed \(seed) \(plan)")
        var load = try ChainWorkload(
            seed: seed, size: (6 << 20) + 10 * 512, unit: 512, base: seed % 2 == 0 ? .fixed : .dynamic, format: .vhdx)
        for number in 0..<4 {
            for _ in 0..<(number == plan.target ? 30 : 8) { try load.step() }
            if number < 3 { try load.addChild(number) }
        }
        try load.chain.close()
        let disks = load.sealed + [(path: load.leaf, content: load.model)]
        let outcome = try DiskMerge.merge(
            disks[plan.source].path, into: disks[plan.target].path, beneath: load.folder.path)
        #expect(outcome.kept.isEmpty)
        let gone = plan.source < plan.target ? plan.source..<plan.target : plan.target + 1..<plan.source + 1
        let outside = try OutsideReader()
        var chain: [FilePath] = []
        for (number, disk) in disks.enumerated() where !gone.contains(number) {
            chain.insert(disk.path, at: 0)
            let content = number == plan.target ? disks[max(plan.source, plan.target)].content : disk.content
            let reader = try DiskChain.open(disk.path, beneath: load.folder.path)
            #expect(try reader.bytes(at: 0, count: content.count).isSame(as: content), "disk \(number)")
            #expect(reader.layers.count == chain.count)
            try await outside.expectSevenZip(chain, reads: content, "disk \(number)")
            if chain.count == 1 { try await outside.expectQEMU(disk.path, reads: content) }
        }
    }
}

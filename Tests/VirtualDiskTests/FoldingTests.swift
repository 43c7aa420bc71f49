// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import StorageTestSupport
import Testing
import VirtualDisk

struct FoldingTests {
    let disks: ThreeDisks

    init() throws {
        disks = try ThreeDisks()
    }

    @Test func `a folded child and its parent read alike, and the grandparent stays`() throws {
        let before = try disks.files()
        let chain = try disks.open(access: .readWrite)
        // Zeros that hide an ancestor's data must arrive as zeros.
        try chain.writeZeroes(4096..<6144)
        try chain.close()
        var expected = disks.content
        expected.replaceSubrange(4096..<6144, with: Array(repeating: 0, count: 2048))
        for _ in 0..<2 {
            try DiskChain.fold(disks.leaf, into: disks.middle, beneath: disks.lab)
            #expect(try disks.read().isSame(as: expected))
            let parent = try disks.open(disks.middle)
            #expect(try parent.bytes(at: 0, count: expected.count).isSame(as: expected))
        }
        #expect(try disks.files()["base.vhd"] == before["base.vhd"])
    }

    @Test func `a child is folded into its own parent only`() throws {
        let before = try disks.files()
        #expect(throws: DiskError.self) {
            try DiskChain.fold(disks.leaf, into: disks.base, beneath: disks.lab)
        }
        #expect(throws: DiskError.self) {
            try DiskChain.fold(disks.base, into: disks.middle, beneath: disks.lab)
        }
        #expect(try disks.files() == before)
    }
}

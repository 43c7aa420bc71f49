// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import Foundation
import StorageTestSupport
import SystemPackage
import Testing
import VirtualDisk

struct ChainTests {
    let disks: ThreeDisks

    init() throws {
        disks = try ThreeDisks()
    }

    @Test func `only the leaf is ever written`() throws {
        let before = try disks.files()
        let chain = try disks.open(access: .readWrite)
        #expect(chain.layers.map(\.kind) == [.differencing, .differencing, .dynamic])
        for offset in stride(from: 0, to: disks.content.count, by: 1 << 19) {
            try chain.write([UInt8](repeating: 0xAB, count: 5000), at: UInt64(offset))
        }
        try chain.writeZeroes(0..<ThreeDisks.size)
        try chain.close()
        let after = try disks.files()
        #expect(after["base.vhd"] == before["base.vhd"])
        #expect(after["middle.avhd"] == before["middle.avhd"])
        #expect(after["leaf.avhd"] != before["leaf.avhd"])
        #expect(try disks.read().isSame(as: Array(repeating: 0, count: disks.content.count)))
    }

    @Test func `reading changes no file, not even one that needs repair`() throws {
        try disks.edit(disks.leaf, summing: false) { $0.bytes.removeLast(512) }
        let before = try disks.files()
        #expect(try disks.read().isSame(as: disks.content))
        _ = try DiskInfo.inspect(disks.leaf, beneath: disks.lab)
        let chain = try disks.open()
        #expect(throws: StorageError.self) { try chain.write([1], at: 0) }
        #expect(throws: StorageError.self) { try chain.writeZeroes(0..<512) }
        #expect(throws: StorageError.self) { try chain.discard(0..<512) }
        try chain.flush()
        try chain.close()
        #expect(try disks.files() == before)
        #expect(chain.warnings.map(\.kind) == [.footerRecovered])
        try disks.open(access: .readWrite).close()
        #expect(try disks.open().warnings.isEmpty)
        #expect(try disks.read().isSame(as: disks.content))
    }

    @Test func `zeros are not stored where no disk of the chain has anything`() throws {
        try VHD.create(at: disks.lab.appending("empty.vhd"), size: 1 << 30)
        try VHD.createChild(at: disks.lab.appending("empty.avhd"), of: disks.lab.appending("empty.vhd"))
        let chain = try disks.open(disks.lab.appending("empty.avhd"), access: .readWrite)
        try chain.writeZeroes(0..<1 << 30)
        try chain.writeZeroes(700..<900)
        try chain.close()
        #expect(try VHDBytes(disks.lab.appending("empty.avhd")).bytes.count < 8192)
        #expect(
            try chain.layers.count == 2
                && disks.open(disks.lab.appending("empty.avhd")).extents(in: 0..<1 << 30) == [
                    Extent(0..<1 << 30, .hole)
                ])
    }

    @Test func `requests that leave the disk are refused and change nothing`() throws {
        let chain = try disks.open(access: .readWrite)
        let before = try disks.files()
        for offset: UInt64 in [ThreeDisks.size - 1, ThreeDisks.size, .max, .max - 1] {
            #expect(throws: StorageError.self) { try chain.write([1, 2], at: offset) }
            #expect(throws: StorageError.self) { try chain.bytes(at: offset, count: 2) }
        }
        #expect(throws: StorageError.self) { try chain.writeZeroes(0..<ThreeDisks.size + 1) }
        #expect(throws: StorageError.self) { try chain.discard(0..<UInt64.max) }
        #expect(throws: StorageError.self) { try chain.extents(in: 0..<UInt64.max) }
        try chain.write([], at: ThreeDisks.size)
        try chain.flush()
        #expect(try disks.files() == before)
    }

    @Test func `a chain is extended by a child while it is in use`() throws {
        let old = try disks.open(access: .readWrite)
        let child = disks.lab.appending("child.avhd")
        try VHD.createChild(at: child, of: disks.leaf)
        let recorded = try #require(try DiskInfo.inspect(child, beneath: disks.lab).parent).link.modificationTime
        let new = try old.extended(byChildAt: child)
        // Until the new chain is written, the old one takes writes, and the new one sees them.
        try old.write([5, 5, 5], at: 1 << 20)
        #expect(try new.bytes(at: 1 << 20, count: 4) == [5, 5, 5, 0])
        try new.write([6], at: 1 << 20)
        #expect(throws: StorageError.self) { try old.write([7], at: 0) }
        #expect(try old.bytes(at: 1 << 20, count: 3) == [5, 5, 5])
        #expect(try new.bytes(at: 1 << 20, count: 3) == [6, 5, 5])
        try FileStore(opening: disks.leaf, access: .readWrite).setModificationTime(12345)
        try new.sealParents()
        #expect(try FileStore(opening: disks.leaf, access: .readOnly).status().modificationTime == recorded)
        try new.close()
        try old.close()
        #expect(throws: StorageError.self) { try new.bytes(at: 0, count: 1) }
        let again = try disks.open(child)
        #expect(again.layers.count == 4)
        #expect(again.warnings.isEmpty)
        #expect(try again.bytes(at: 1 << 20, count: 3) == [6, 5, 5])
        #expect(try disks.open().bytes(at: 1 << 20, count: 3) == [5, 5, 5])
    }

    @Test func `a chain is not extended by what is not its empty child`() throws {
        let chain = try disks.open(access: .readWrite)
        let child = disks.lab.appending("child.avhd")
        try VHD.createChild(at: child, of: disks.middle)
        #expect(#expect(throws: DiskError.self) { try chain.extended(byChildAt: child) }?.code == .parentMismatch)
        #expect(throws: DiskError.self) { try chain.extended(byChildAt: disks.base) }
        #expect(throws: DiskError.self) { try chain.extended(byChildAt: disks.lab.appending("none.avhd")) }
        let used = disks.lab.appending("used.avhd")
        try VHD.createChild(at: used, of: disks.leaf)
        let other = try disks.open(used, access: .readWrite)
        try other.write([1], at: 0)
        try other.close()
        #expect(#expect(throws: DiskError.self) { try chain.extended(byChildAt: used) }?.code == .invalidArgument)
        #expect(throws: DiskError.self) { try disks.open().extended(byChildAt: child) }
        try chain.write([1], at: 0)
    }

    @Test func `a chain of 200 disks reads as one, extended in use and opened anew`() throws {
        var chain = try disks.open(access: .readWrite)
        var model = disks.content
        var path = disks.leaf
        for number in 0..<197 {
            let child = disks.lab.appending("\(number).avhd")
            try VHD.createChild(at: child, of: path)
            chain = try chain.extended(byChildAt: child)
            let bytes = [UInt8](repeating: UInt8(number), count: 700)
            let offset = number * 26_000
            try chain.write(bytes, at: UInt64(offset))
            model.replaceSubrange(offset..<offset + bytes.count, with: bytes)
            path = child
        }
        #expect(try chain.bytes(at: 0, count: model.count).isSame(as: model))
        try chain.sealParents()
        try chain.close()
        let again = try disks.open(path)
        #expect(again.layers.count == 200)
        #expect(try again.bytes(at: 0, count: model.count).isSame(as: model))
    }

    @Test func `a chain that is too long is refused`() throws {
        var files: [String: [UInt8]] = [:]
        var path = disks.base
        for number in 0...DiskChain.mostLayers {
            let child = disks.lab.appending("\(number).avhd")
            try VHD.createChild(at: child, of: path)
            path = child
            files["\(number).avhd"] = try VHDBytes(child).bytes
        }
        files["base.vhd"] = try VHDBytes(disks.base).bytes
        let tree = RecordingTree(files)
        let error = #expect(throws: DiskError.self) {
            try DiskChain.open(["\(DiskChain.mostLayers).avhd"], in: tree, access: .readOnly)
        }
        #expect(error?.code == .tooDeep)
    }

    @Test func `threads that write beside each other lose nothing`() async throws {
        let chain = try disks.open(access: .readWrite)
        let threads = 4
        try await withThrowingTaskGroup(of: Void.self) { group in
            for thread in 0..<threads {
                group.addTask {
                    // Odd pieces, so that neighbours share sectors and blocks.
                    for index in 0..<200 {
                        let offset = (index * threads + thread) * 300
                        try chain.write([UInt8](repeating: UInt8(thread + 1), count: 300), at: UInt64(offset))
                        if index % 50 == 0 { try chain.flush() }
                        _ = try chain.bytes(at: UInt64(offset), count: 300)
                    }
                }
            }
            try await group.waitForAll()
        }
        try chain.close()
        let found = try disks.open().bytes(at: 0, count: 800 * 300)
        for piece in 0..<800 {
            #expect(found[piece * 300..<piece * 300 + 300].allSatisfy { $0 == UInt8(piece % threads + 1) })
        }
    }
}

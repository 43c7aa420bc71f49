// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import Foundation
import Glibc
import StorageTestSupport
import SystemPackage
import Testing
import VirtualDisk

struct ParentResolutionTests {
    let disks: ThreeDisks

    init() throws {
        disks = try ThreeDisks()
    }

    private func move(_ path: FilePath, to relative: String) throws {
        let target = disks.lab.appending(relative)
        try FileManager.default.createDirectory(
            atPath: target.removingLastComponent().string, withIntermediateDirectories: true)
        try FileManager.default.moveItem(atPath: path.string, toPath: target.string)
    }

    @Test func `a chain that lies in several folders is followed, and so is one that was moved as a whole`() throws {
        let web = try disks.folder.makeFolder("other/web/Snapshots/ID").removingLastComponent().removingLastComponent()
        try VHD.create(at: web.appending("web.vhd"), size: 1 << 20)
        let child = web.appending("Snapshots/ID/a.avhd")
        try VHD.createChild(at: child, of: web.appending("web.vhd"))
        #expect(try DiskChain.open(child, beneath: disks.folder.appending("other")).layers.count == 2)
        try FileManager.default.moveItem(atPath: web.string, toPath: disks.lab.appending("copy").string)
        let chain = try DiskChain.open(disks.lab.appending("copy/Snapshots/ID/a.avhd"), beneath: disks.lab)
        #expect(chain.layers.last?.path.string.hasSuffix("lab/copy/web.vhd") == true)
        #expect(chain.warnings.isEmpty)
    }

    @Test func `a parent that is elsewhere in the lab is found by its identity`() throws {
        try move(disks.base, to: "old/renamed.vhd")
        let chain = try disks.open()
        #expect(chain.warnings.map(\.kind) == [.parentMoved])
        #expect(try disks.read().isSame(as: disks.content))
        // A copy makes it unclear which one is meant.
        try FileManager.default.copyItem(
            atPath: disks.lab.appending("old/renamed.vhd").string, toPath: disks.lab.appending("copy.vhd").string)
        let error = #expect(throws: DiskError.self) { try disks.open() }
        #expect(error?.code == .parentMissing)
    }

    @Test func `the caller's resolver is asked instead of the files, and is not believed`() throws {
        try move(disks.base, to: "old/hidden.bin")
        let hidden = disks.lab.appending("old/hidden.bin")
        #expect(throws: DiskError.self) { try disks.open() }
        let chain = try DiskChain.open(disks.leaf, beneath: disks.lab) { _ in hidden }
        #expect(chain.layers.last?.path == hidden)
        let wrong = disks.leaf
        let error = #expect(throws: DiskError.self) {
            try DiskChain.open(disks.leaf, beneath: disks.lab) { _ in wrong }
        }
        #expect(error?.code == .parentMissing)
        let outside = disks.folder.appending("outside.vhd")
        try FileManager.default.moveItem(atPath: hidden.string, toPath: outside.string)
        let refused = #expect(throws: DiskError.self) {
            try DiskChain.open(disks.leaf, beneath: disks.lab) { _ in outside }
        }
        #expect(refused?.code == .outsideLab)
    }

    @Test func `links and pipes in the parent's place are refused`() throws {
        let outside = disks.folder.appending("outside.vhd")
        try FileManager.default.moveItem(atPath: disks.base.string, toPath: outside.string)
        try FileManager.default.createSymbolicLink(atPath: disks.base.string, withDestinationPath: outside.string)
        #expect(#expect(throws: DiskError.self) { try disks.open() }?.code == .outsideLab)
        try FileManager.default.removeItem(atPath: disks.base.string)
        #expect(unsafe mkfifo(disks.base.string, 0o600) == 0)
        #expect(throws: DiskError.self) { try disks.open() }
        #expect(throws: DiskError.self) { try disks.open(disks.base, access: .readWrite) }
    }

    @Test func `a link to a folder on the way to the parent is refused`() throws {
        try disks.folder.makeFolder("elsewhere")
        try FileManager.default.moveItem(
            atPath: disks.middle.string, toPath: disks.folder.appending("elsewhere/middle.avhd").string)
        try FileManager.default.createSymbolicLink(
            atPath: disks.lab.appending("sub").string, withDestinationPath: "../elsewhere")
        try disks.edit(disks.leaf) { $0.putParentPath(".\\sub\\middle.avhd") }
        #expect(#expect(throws: DiskError.self) { try disks.open() }?.code == .outsideLab)
    }

    @Test func `a disk outside the lab is refused`() throws {
        let error = #expect(throws: DiskError.self) {
            try DiskChain.open(disks.leaf, beneath: disks.folder.makeFolder("empty"))
        }
        #expect(error?.code == .outsideLab)
    }

    @Test func `a disk that is its own parent or ancestor is refused`() throws {
        let leafIdentity = try #require(try disks.open().layers[0].identity)
        try disks.edit(disks.leaf) { disk in
            disk.putParentPath(".\\leaf.avhd")
            disk.bytes.replaceSubrange(512 + 40..<512 + 56, with: leafIdentity.bytes)
        }
        #expect(#expect(throws: DiskError.self) { try disks.open() }?.code == .cycle)
        let other = try ThreeDisks()
        let identity = try #require(try other.open().layers[0].identity)
        try other.edit(other.middle) { disk in
            disk.putParentPath(".\\leaf.avhd")
            disk.bytes.replaceSubrange(512 + 40..<512 + 56, with: identity.bytes)
        }
        #expect(#expect(throws: DiskError.self) { try other.open() }?.code == .cycle)
    }

    @Test func `a parent that was touched is a warning, a missing one an error`() throws {
        try FileStore(opening: disks.base, access: .readWrite).setModificationTime(1)
        #expect(try disks.open().warnings.map(\.kind) == [.parentTimestamp])
        try FileManager.default.removeItem(atPath: disks.base.string)
        let error = #expect(throws: DiskError.self) { try disks.open() }
        #expect(error?.code == .parentMissing)
        #expect(error?.description.contains("base.vhd") == true)
    }

    @Test func `what a guest writes into a fixed disk never makes it another kind`() throws {
        let path = disks.lab.appending("fixed.vhd")
        try VHD.create(at: path, size: ThreeDisks.size, kind: .fixed)
        let forged = try VHDBytes(disks.leaf)
        let chain = try disks.open(path, access: .readWrite)
        try chain.write(Array(forged.bytes[0..<8192]), at: 0)
        try chain.close()
        let again = try disks.open(path)
        #expect(again.layers.map(\.kind) == [.fixed])
        #expect(try again.bytes(at: 0, count: 8192) == Array(forged.bytes[0..<8192]))
        // With its footer lost, only the configuration can say what it was.
        let store = try FileStore(opening: path, access: .readWrite)
        try store.truncate(to: ThreeDisks.size)
        #expect(throws: DiskError.self) { try DiskChain.open(path, beneath: disks.lab, kind: .fixed) }
    }
}

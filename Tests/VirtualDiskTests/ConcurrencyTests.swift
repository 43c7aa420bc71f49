// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import Dispatch
import StorageTestSupport
import Synchronization
import SystemPackage
import Testing

@testable import VirtualDisk

/// Two commands at one disk: one of them wins, and the other one harms nothing.
struct ConcurrencyTests {
    private func bytes(_ count: Int) -> [UInt8] { [UInt8](repeating: 0x5A, count: count) }

    @Test func `of merges of one disk at the same time one is done`() throws {
        for round in 0..<20 {
            let folder = try TemporaryFolder()
            let (base, child) = (folder.appending("base.vhd"), folder.appending("child.avhd"))
            try VHD.create(at: base, size: 8 << 20)
            try VHD.createChild(at: child, of: base)
            let chain = try DiskChain.open(child, beneath: folder.path, access: .readWrite)
            try chain.write(bytes(1 << 20), at: 1 << 20)
            try chain.close()
            let outcomes = Mutex<[Result<DiskMerge, DiskError>]>([])
            DispatchQueue.concurrentPerform(iterations: 2) { _ in
                let outcome = Result { () throws(DiskError) in try DiskMerge.merge(child, beneath: folder.path) }
                outcomes.withLock { $0.append(outcome) }
            }
            let done = outcomes.withLock { $0 }.filter { if case .success = $0 { true } else { false } }
            #expect(done.count == 1, "round \(round): \(outcomes.withLock { $0 })")
            let left = try Folder(opening: folder.path)
            #expect(try !left.contains(["child.avhd"]) && !left.contains([".base.vhd.merging"]))
            let merged = try DiskChain.open(base, beneath: folder.path, access: .readOnly)
            #expect(try merged.bytes(at: 1 << 20, count: 1 << 20) == bytes(1 << 20))
            #expect(try DiskCheck.check(base, beneath: folder.path).isOK)
        }
    }

    @Test func `a disk that is gone or has an operation to finish is no longer what a command found`() throws {
        let tree = RecordingTree(["there.vhd": [], "torn.vhd": [], ".torn.vhd.merging": []])
        for (file, code) in [("gone.vhd", DiskError.Code.inUse), ("torn.vhd", .unfinished)] {
            let error = #expect(throws: DiskError.self) { try DiskRecovery.claim([["there.vhd"], [file]], in: tree) }
            #expect(error?.code == code)
        }
        #expect(try DiskRecovery.claim([["gone.vhd"]], in: tree, isRecovering: true).isEmpty)
    }

    @Test func `of two commands that make one file the second is refused, and the first one's is whole`() throws {
        let folder = try TemporaryFolder()
        let path = folder.appending("disk.vhd")
        let draft = try DiskDraft(of: path, replacing: true)
        let disk = try draft.create(format: .vhd, size: 8 << 20)
        try disk.write(bytes(4096), at: 0)
        let error = #expect(throws: DiskError.self) { try DiskDraft(of: path, replacing: true) }
        #expect(error?.description.contains("is being made by another command") == true)
        try disk.write(bytes(4096), at: 1 << 20)
        try disk.close()
        try draft.commit()
        let chain = try DiskChain.open(path, beneath: folder.path, access: .readOnly)
        #expect(try chain.bytes(at: 0, count: 4096) == bytes(4096))
        #expect(try chain.bytes(at: 1 << 20, count: 4096) == bytes(4096))
    }

    @Test func `what a crash left of making a file is removed, and what was given up`() throws {
        let folder = try TemporaryFolder()
        let path = folder.appending("disk.vhd")
        try VHD.create(at: folder.appending(".disk.vhd.fermata-new"), size: 4 << 20)
        do {
            let draft = try DiskDraft(of: path, replacing: false)
            _ = try draft.create(format: .vhd, size: 8 << 20)
        }
        let left = try Folder(opening: folder.path)
        #expect(try !left.contains([".disk.vhd.fermata-new"]) && !left.contains(["disk.vhd"]))
    }

    @Test func `a claimed disk is changed by nobody else`() throws {
        let folder = try TemporaryFolder()
        let (base, child) = (folder.appending("base.vhd"), folder.appending("child.avhd"))
        try VHD.create(at: base, size: 8 << 20)
        try VHD.createChild(at: child, of: base)
        let claim = try DiskClaim(on: child, beneath: folder.path)
        let error = #expect(throws: DiskError.self) { try DiskMerge.merge(child, beneath: folder.path) }
        #expect(error?.code == .inUse)
        withExtendedLifetime(claim) {}
    }
}

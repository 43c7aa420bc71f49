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

    /// What a command does to the child, or to the base.
    enum Command: CaseIterable {
        case resize, merge, mergeForward, setParent
    }

    @Test(arguments: [DiskFormat.vhd, .vhdx], Command.allCases)
    func `a disk that another command makes anew is looked at again`(format: DiskFormat, command: Command) throws {
        let folder = try TemporaryFolder()
        let names = ["base.\(format)", "child.a\(format)", "base-2.\(format)"]
        let paths = names.map { folder.appending($0) }
        let size: UInt64 = 16 << 20
        func write(_ path: FilePath, _ blocks: [(UInt64, UInt8)]) throws {
            let chain = try DiskChain.open(path, beneath: folder.path, access: .readWrite)
            for (block, byte) in blocks { try chain.write([UInt8](repeating: byte, count: 2 << 20), at: block << 21) }
            try chain.close()
        }
        // Out of order, and with zeros between, so that making it anew moves every block.
        try format.create(at: paths[0], size: size)
        try write(paths[0], [(5, 5), (3, 9), (1, 1), (3, 0), (0, 7)])
        let isAlone = command == .resize
        if !isAlone {
            try format.createChild(at: paths[1], of: paths[0])
            try write(paths[1], [(6, 6), (1, 8), (3, 0)])
        }
        let subject = isAlone ? paths[0] : paths[1]
        let expected = try DiskChain.open(subject, beneath: folder.path).bytes(at: 0, count: Int(size))
        let tree = InterruptedFiles(try Folder(opening: folder.path)) {
            for path in isAlone ? [paths[0]] : paths.prefix(2) {
                _ = try DiskCompaction.compact(path, beneath: folder.path)
            }
        }
        var left = subject
        switch command {
        case .resize: try DiskResizing.resize([names[0]], to: size * 2, in: tree)
        case .merge:
            _ = try DiskMerge.merge([names[1]], into: nil, in: tree)
            left = paths[0]
        case .mergeForward: _ = try DiskMerge.merge([names[0]], into: [names[1]], in: tree)
        case .setParent: _ = try DiskReparenting.setParent(of: [names[1]], to: [names[0]], in: tree)
        }
        #expect(tree.wasInterrupted)
        let chain = try DiskChain.open(left, beneath: folder.path)
        #expect(try chain.bytes(at: 0, count: Int(size)).isSame(as: expected))
        #expect(try DiskCheck.check(left, beneath: folder.path).isOK)
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

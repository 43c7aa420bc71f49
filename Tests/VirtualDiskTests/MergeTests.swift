// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import StorageTestSupport
import SystemPackage
import Testing

@testable import VirtualDisk

struct MergeTests {
    static let seeds: [UInt64] = [1, 2, .random(in: 0 ... .max)]

    /// What is merged: from which disk of a chain of four into which one, and how much each disk has.
    struct Plan: Sendable, CustomTestStringConvertible {
        var source: Int
        var target: Int
        var dirty: [Int]
        var kind: DiskKind = .dynamic
        var twin: Bool = false

        var testDescription: String { "\(source) into \(target), \(dirty), \(kind)\(twin ? ", twin" : "")" }

        var gone: [Int] {
            source > target ? Array(target + 1...source) : Array(source..<target)
        }
    }

    static let plans: [Plan] = [
        // The child has less to copy than its parent, or more, which chooses the way.
        Plan(source: 3, target: 2, dirty: [6, 6, 9, 3]),
        Plan(source: 3, target: 2, dirty: [6, 6, 0, 9]),
        Plan(source: 1, target: 0, dirty: [2, 12, 4, 4]),
        Plan(source: 2, target: 0, dirty: [0, 4, 12, 4]),
        Plan(source: 2, target: 0, dirty: [12, 3, 2, 4], kind: .fixed),
        Plan(source: 3, target: 0, dirty: [4, 4, 4, 4]),
        Plan(source: 0, target: 1, dirty: [6, 6, 6, 6]),
        Plan(source: 1, target: 2, dirty: [6, 6, 6, 6]),
        Plan(source: 0, target: 3, dirty: [6, 6, 6, 6], kind: .fixed),
        Plan(source: 1, target: 3, dirty: [6, 6, 6, 6]),
    ]

    @Test(arguments: plans, seeds)
    func `whatever is merged, what is left reads as before`(plan: Plan, seed: UInt64) throws {
        print("merge seed \(seed)")
        let chain = try RecordedChain(depth: 4, seed: seed, kind: plan.kind, dirty: plan.dirty)
        let folder = RecordingTree(chain.files)
        let outcome = try DiskMerge.merge([chain.names[plan.source]], into: [chain.names[plan.target]], in: folder)
        #expect(outcome.removed.count == plan.gone.count)
        try expectDone(chain, plan, in: folder, "merged")
    }

    @Test(arguments: plans, RecordedChain.isThorough ? [1, 7] : [7] as [UInt64])
    func `a merge that a power cut ends is finished by the next command that writes, or did not begin`(
        plan: Plan, seed: UInt64
    ) throws {
        let chain = try RecordedChain(depth: 4, seed: seed, kind: plan.kind, dirty: plan.dirty)
        let folder = RecordingTree(chain.files)
        _ = try DiskMerge.merge([chain.names[plan.source]], into: [chain.names[plan.target]], in: folder)
        var generator = SeededGenerator(seed: seed)
        var files = CrashedFiles(chain.files)
        // What is copied is like what is copied before and after it; names change at the end.
        let stride = RecordedChain.isThorough ? 1 : max(1, folder.log.count / 6)
        for (index, change) in folder.log.enumerated() {
            files.advance(change)
            guard (index + Int(seed)).isMultiple(of: stride) || index > folder.log.count - 16 else { continue }
            try checkCrash(files.all, chain, plan, "all of \(index + 1)")
            try checkCrash(files.some(using: &generator), chain, plan, "some of \(index + 1)")
        }
    }

    @Test(arguments: plans, [Errno.noSpace, .ioError])
    func `a merge that a call ends which fails loses nothing`(plan: Plan, errno: Errno) throws {
        let chain = try RecordedChain(depth: 4, seed: 5, kind: plan.kind, dirty: plan.dirty)
        var call = RecordedChain.isThorough ? 1 : plan.source + plan.target
        while true {
            let folder = RecordingTree(chain.files)
            folder.fail(.init(call: call, errno: errno, lasts: call % 2 == 0))
            let outcome = Result {
                try DiskMerge.merge([chain.names[plan.source]], into: [chain.names[plan.target]], in: folder)
            }
            folder.fail(nil)
            try checkCrash(folder.files, chain, plan, "call \(call)")
            if case .success = outcome, call > 8 { break }
            call += RecordedChain.isThorough ? 1 : 23
            try #require(call < 2000)
        }
    }

    @Test func `a parent with other children is not merged into, and one they need is kept`() throws {
        let chain = try RecordedChain(depth: 3, seed: 3, twin: true)
        let folder = RecordingTree(chain.files)
        let error = try #require(
            #expect(throws: DiskError.self) { try DiskMerge.merge(["d2.avhd"], into: nil, in: folder) })
        #expect(error.code == .inUse && error.found == "/recording/d3.avhd", "\(error)")
        #expect(folder.log.isEmpty)
        let outcome = try DiskMerge.merge(["d1.avhd"], into: ["d2.avhd"], in: folder)
        #expect(outcome.removed.isEmpty && outcome.kept == ["/recording/d1.avhd"])
        try chain.expect(folder, without: [], "forward")
        let link = try DiskChain.open(["d2.avhd"], in: folder, access: .readOnly).layers.map(\.path.string)
        #expect(link == ["/recording/d2.avhd", "/recording/d0.vhd"])
        // Now that the twin is the only child, its parent can take it in.
        _ = try DiskMerge.merge(["d3.avhd"], into: ["d1.avhd"], in: folder)
        try chain.expect(folder, ["d1.avhd": "d3.avhd"], without: ["d3.avhd"], "backward")
    }

    @Test(arguments: [DiskFormat.vhd, .vhdx])
    func `a disk that is given another parent is no other disk to its own children`(format: DiskFormat) throws {
        let folder = try TemporaryFolder()
        let paths = ["base.\(format)", "a.a\(format)", "b.a\(format)", "c.a\(format)"].map(folder.appending)
        try format.create(at: paths[0], size: 3 << 20)
        for (path, parent) in zip(paths.dropFirst(), paths) {
            // As if the parent had been at rest for long.
            try FileStore(opening: parent, access: .readWrite).setModificationTime(1_700_000_000)
            try format.createChild(at: path, of: parent)
        }
        _ = try DiskMerge.merge(paths[1], beneath: folder.path)
        let chain = try DiskChain.open(paths[3], beneath: folder.path)
        #expect(chain.layers.map(\.path) == [paths[3], paths[2], paths[0]])
        #expect(chain.warnings.isEmpty, "\(chain.warnings)")
    }

    @Test(arguments: [DiskFormat.vhd, .vhdx])
    func `a fixed disk stays one, however much is merged into it`(format: DiskFormat) throws {
        let folder = try TemporaryFolder()
        let (base, child) = (folder.appending("base.\(format)"), folder.appending("child.a\(format)"))
        try format.create(at: base, size: 6 << 20, kind: .fixed)
        try format.createChild(at: child, of: base)
        let chain = try DiskChain.open(child, beneath: folder.path, access: .readWrite)
        try chain.write([UInt8](repeating: 7, count: 5 << 20), at: 512)
        try chain.close()
        _ = try DiskMerge.merge(child, beneath: folder.path)
        let merged = try DiskChain.open(base, beneath: folder.path)
        #expect(merged.layers.map(\.kind) == [.fixed])
        #expect(try merged.bytes(at: 512, count: 5 << 20).allSatisfy { $0 == 7 })
    }

    @Test func `disks of which neither grew from the other are not merged`() throws {
        let chain = try RecordedChain(depth: 3, seed: 3, twin: true)
        let folder = RecordingTree(chain.files)
        for (source, target) in [("d2.avhd", "d3.avhd"), ("d2.avhd", "d2.avhd")] {
            let error = try #require(
                #expect(throws: DiskError.self) { try DiskMerge.merge([source], into: [target], in: folder) })
            #expect(error.code == .invalidArgument)
        }
        let error = try #require(
            #expect(throws: DiskError.self) { try DiskMerge.merge(["d0.vhd"], into: nil, in: folder) })
        #expect(error.description == "/recording/d0.vhd: the disk has no parent to merge into")
        #expect(folder.log.isEmpty)
    }

    /// Lets the next command that writes find what is there, and expects the merge done or not begun.
    private func checkCrash(
        _ files: [String: [UInt8]], _ chain: RecordedChain, _ plan: Plan, _ comment: String
    ) throws {
        let folder = RecordingTree(files)
        // Readers see a disk as it was or will be, or are refused.
        for name in chain.names where files[name] != nil {
            let found: [Int]
            do { found = try RecordedChain.read(name, in: folder) } catch {
                let code = (error as? DiskError)?.code
                // Between the removal of a source and that of the journal, nothing leads to the source.
                #expect(code == .unfinished, "\(comment): \(error)")
                continue
            }
            let merged = chain.content[chain.names[plan.source]]
            let isTarget = plan.source > plan.target && name == chain.names[plan.target]
            #expect(found == chain.content[name] || isTarget && found == merged, "\(comment): read of \(name)")
        }
        let leaf = chain.names.last { files[$0] != nil } ?? ""
        try DiskRecovery.finish([leaf], in: folder)
        let isDone = folder.files[chain.names[plan.gone[0]]] == nil
        if isDone {
            try expectDone(chain, plan, in: folder, comment)
        } else {
            try chain.expect(folder, without: [], comment)
            #expect(folder.files.keys.allSatisfy { !$0.hasSuffix(".rewriting") && !$0.hasSuffix(".merging") })
        }
    }

    private func expectDone(
        _ chain: RecordedChain, _ plan: Plan, in folder: RecordingTree, _ comment: String
    ) throws {
        let gone = plan.gone.map { chain.names[$0] }
        let changed = plan.source > plan.target ? [chain.names[plan.target]: chain.names[plan.source]] : [:]
        try chain.expect(folder, changed, without: gone, comment)
        let left = Set(folder.files.keys.filter { !$0.hasSuffix(".new") })
        #expect(left == Set(chain.names).subtracting(gone), "\(comment): \(left)")
        let leaf = chain.names.last { !gone.contains($0) } ?? ""
        let open = try DiskChain.open([leaf], in: folder, access: .readOnly)
        #expect(open.layers.count == chain.names.count - gone.count, "\(comment)")
    }
}

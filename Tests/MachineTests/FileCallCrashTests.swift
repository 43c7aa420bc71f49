// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import FermataModel
import FermataTestSupport
import Foundation
import StorageTestSupport
import Synchronization
import SystemPackage
import Testing

@testable import FermataEngine

/// Every operation of the engine is cut off at every call that changes a file, or is told there that the disk is full
/// or broken.
///
/// ```
///  base lab ──copy──► lab-host: the N-th call kills, tears or fails ──► read, opened again, compared ──► done to its end
/// ```
/// The lab is that before or that after, all that exists holds what it held, and nothing is left over.
@Suite(.serialized) struct FileCallCrashTests {
    static let isLong = ProcessInfo.processInfo.environment["FERMATA_TEST_ALL"] != nil
    /// The operations to look at alone: those whose description has this text.
    static let chosen = ProcessInfo.processInfo.environment["FERMATA_TEST_OPERATION"]
    /// How many runs each operation gets, unless it gets all; without this, some operations get one each.
    static let sample = ProcessInfo.processInfo.environment["FERMATA_TEST_SAMPLE"].flatMap { Int($0) }

    private let folder: TemporaryFolder
    private let seed: UInt64

    init() throws {
        folder = try TemporaryFolder()
        seed = SeededGenerator.seeds(1)[0]
    }

    private func base(_ kind: FileCallLab.Kind) async throws -> FileCallLab {
        try await FileCallLab(kind, at: folder.path.appending("base"), seed: seed)
    }

    private func operations(on kind: FileCallLab.Kind) -> [FileCallOperation] {
        let all = FileCallOperation.all.filter { operation in
            operation.kind == kind && Self.chosen.map { operation.description.contains($0) } != false
        }
        return Self.chosen == nil && Self.sample == nil ? sample(all, (all.count + 2) / 3, "operations") : all
    }

    /// Some of what can be done, unless all is, in an order that the seed and a name give.
    private func sample<Element>(_ elements: [Element], _ count: Int, _ name: String) -> [Element] {
        if Self.isLong { return elements }
        var random = SeededGenerator(seed: name.utf8.reduce(seed) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 })
        return Array(elements.shuffled(using: &random).prefix(count))
    }

    /// Does something with each operation, a few at once, each with a folder of its own.
    private func forAll(
        _ operations: [FileCallOperation],
        _ body: @escaping @Sendable (FileCallOperation, FilePath) async throws -> Void
    ) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            var left = operations.enumerated().makeIterator()
            func add() {
                guard let (number, operation) = left.next() else { return }
                let place = folder.path.appending("\(number)")
                group.addTask {
                    try FileSystem.create(place)
                    try await body(operation, place)
                    try FileSystem.removeAll(place)
                }
            }
            for _ in 0..<3 { add() }
            while try await group.next() != nil { add() }
        }
    }

    /// Does some or all runs of a trial, and prints how many.
    private func run(_ trial: FileCallTrial, _ name: String) async {
        let faults = sample(trial.faults, Self.sample ?? 1, name)
        let outcome = await trial.run(faults)
        for problem in outcome.problems { Issue.record("FERMATA_SEED=\(seed), \(name), \(problem)") }
        // What a thread of its own does may come earlier or later.
        #expect(outcome.reached >= faults.count * 4 / 5, "\(name)")
        let kinds = FileFault.Kind.allCases.count - 1
        print(
            "\(name): \(trial.calls.count) points x \(kinds) faults and \(trial.tearable) torn writes = "
                + "\(trial.faults.count) runs; done \(outcome.reached)")
    }

    @Test(arguments: FileCallLab.Kind.allCases)
    func `an operation that is cut off or fails has happened or has not`(kind: FileCallLab.Kind) async throws {
        let base = try await base(kind)
        try await forAll(operations(on: kind)) { operation, place in
            await run(try await FileCallTrial(operation, on: base, in: place), "\(operation)")
        }
    }

    @Test(arguments: FileCallLab.Kind.allCases.filter { $0 != .empty })
    func `what finishes or undoes an operation can be cut off, too`(kind: FileCallLab.Kind) async throws {
        let base = try await base(kind)
        let known = Mutex<Set<[String]>>([])
        try await forAll(sample(operations(on: kind), 1, "\(kind)")) { operation, place in
            let trial = try await FileCallTrial(operation, on: base, in: place)
            for call in sample(trial.calls, 1, "\(operation)") {
                let kill = FileFault(kind: .kill, call: call)
                let left = place.appending("recovery")
                // What was met before need not be met again.
                if let recovery = try await trial.recovery(from: kill, in: left),
                    known.withLock({ $0.insert(recovery.calls.map(\.name)).inserted })
                {
                    await run(recovery, "recovery from \(operation), killed at \(call.number) \(call.name)")
                }
                try FileSystem.removeAll(left)
            }
        }
    }

    @Test(
        .enabled(if: Tool("strace").isInstalled, "strace is not installed"),
        arguments: isLong ? ["delete=root", "fork=inner=twin"] : ["delete=root"])
    func `a trace from outside sees the same calls, and the same states`(word: String) async throws {
        let base = try await base(.tree)
        let operation = FileCallOperation(.tree, word)
        let trial = try await FileCallTrial(operation, on: base, in: folder.path.appending("trial"))
        let copy = try await base.copied(to: folder.path.appending("traced"))
        let traced = try await trial.traced(on: copy)
        #expect(traced.run.code == 0)
        #expect(traced.calls.count == traced.run.calls.count, "\(traced.calls.map(\.name)) \(traced.run.calls)")
        let calls = sample(traced.calls, 2, word)
        let (reached, problems) = await trial.killFromOutside(calls)
        for problem in problems { Issue.record("FERMATA_SEED=\(seed), \(word) under strace: \(problem)") }
        // strace counts by thread: where the program's work falls to its threads in another way, a point is passed by.
        #expect(reached > calls.count / 2)
        print("\(operation), killed from outside: \(reached) points of \(traced.calls.count)")
    }

    @Test func `a third state is noticed`() async throws {
        let base = try await base(.tree)
        let operation = FileCallOperation(.tree, "delete=root")
        let trial = try await FileCallTrial(operation, on: base, in: folder.path.appending("trial"))
        let call = try #require(trial.calls.first { $0.name == "pwrite" })
        let id = try base.lab.machine("web").identity()
        func differencingDisk(_ lab: LabFolder) throws -> FilePath {
            let place = lab.machine("web").differencingDisks(of: id)
            let names = try FileSystem.entries(of: place).filter { $0.hasSuffix(".avhd") && !$0.hasPrefix(".") }
            return place.appending(try #require(names.min()))
        }
        let deeds: [(String, (LabFolder) throws -> Void)] = [
            ("nothing", { _ in }),
            (
                "a disk is cut",
                { lab in
                    let file = try FileStore(opening: try differencingDisk(lab), access: .readWrite)
                    try file.truncate(to: file.length() / 2)
                }
            ),
            (
                "a disk's sector is another",
                { lab in
                    let file = try FileStore(opening: try differencingDisk(lab), access: .readWrite)
                    let time = try file.status().modificationTime
                    // The last byte of data, before the footer.
                    let bytes = try file.bytes(at: 0, count: Int(file.length()) - 512)
                    let last = try #require(bytes.lastIndex { $0 != 0 })
                    try file.write([bytes[last] ^ 1], at: UInt64(last))
                    try file.setModificationTime(time)
                }
            ),
            (
                "a checkpoint is gone",
                { lab in
                    let leaf = try MachineRecord(reading: lab.machine("web")).checkpoint("leaf").id
                    try FileSystem.remove(lab.machine("web").checkpoint(leaf))
                }
            ),
            (
                "a memory's page is another",
                { lab in
                    let inner = try MachineRecord(reading: lab.machine("web")).checkpoint("inner").id
                    let file = try FileStore(opening: lab.machine("web").memoryImage(inner), access: .readWrite)
                    try file.write([7], at: 4196)
                }
            ),
            ("a file is left", { lab in try FileSystem.write([], to: lab.machine("web").path.appending("a.vhd.new")) }),
        ]
        for (number, deed) in deeds.enumerated() {
            let outcome = await trial.run(FileFault(kind: .kill, call: call), number, meddling: deed.1)
            #expect(outcome.isReached)
            #expect(outcome.problems.isEmpty == (number == 0), "\(deed.0): \(outcome.problems)")
        }
    }
}

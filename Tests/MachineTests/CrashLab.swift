// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import FermataModel
import FermataTestSupport
import Foundation
import SystemPackage
import Testing
import VirtualDisk

@testable import FermataEngine

/// A lab whose hosts are killed one after another, and what must be true of its files after each.
final class CrashLab {
    /// What is known of a checkpoint.
    struct Fact {
        var name: String
        /// The number of the last tick before it.
        var tick: UInt64
        /// The newest write that was flushed before it.
        var flushed: UInt64
        /// No newer write can be on its disk; unknown until the first tick after it was seen.
        var issued: UInt64 = .max
    }

    let folder: FilePath
    let machine = "web"
    /// The checkpoints that exist.
    private(set) var facts: [GUID: Fact] = [:]
    /// The newest write that must be on now's disk.
    private var flushed: UInt64 = 0
    private var witness: Tick?
    private var leaf: String?

    init() {
        folder = FilePath(NSTemporaryDirectory()).appending("fermata-crash-\(UUID().uuidString)")
    }

    deinit {
        try? FileManager.default.removeItem(atPath: folder.string)
    }

    var lab: LabFolder { LabFolder(folder) }
    var machineFolder: MachineFolder { lab.machine(MachineName(machine)) }

    /// The newest checkpoint.
    var newest: String {
        get throws {
            let known = try MachineRecord(reading: machineFolder).tree.listed.checkpoints
            return try #require(known.last).name.description
        }
    }

    /// Lets a host do operations until it ends or is killed, and checks what it leaves.
    ///
    /// - Parameters:
    ///   - commits: whether the operation under way at the fault has happened; nil when either may be.
    ///   - environment: what the host is told besides.
    ///   - kill: ends the host, if it is time to, when it says a line.
    func host(
        _ operations: [String], fault: String? = nil, commits: Bool? = nil, comment: String,
        environment: [String: String] = [:],
        kill: @escaping @Sendable (BuiltProgram, String) -> Void = { _, _ in }
    ) async throws -> HostRun {
        try emptyConsole()
        let known = Set(facts.values.map(\.name))
        let result = try await BuiltProgram(
            "lab-host", [folder.string, machine] + operations,
            environment: environment.merging(fault.map { ["FERMATA_FAULT_POINT": $0] } ?? [:]) { $1 }, onLine: kill
        ).result()
        let run = HostRun(result)
        #expect(run.failures.isEmpty, "\(comment)")
        guard FileManager.default.fileExists(atPath: machineFolder.path.string) else { return run }
        try await checkReading(comment)
        try check(run, known: known, commits: commits, comment)
        return run
    }

    /// Makes each run's console begin anew; what is in the cache may be deleted at any time.
    private func emptyConsole() throws {
        guard let record = try? MachineRecord(reading: machineFolder) else { return }
        try FileSystem.remove(lab.cache.appending("\(record.id).console"))
    }

    /// Commands that read say what the files say, without an error, and change nothing.
    private func checkReading(_ comment: String) async throws {
        let before = StoreFingerprint(of: folder)
        let store = ["--store", folder.string, "--json"]
        let tree = try MachineRecord(reading: machineFolder).tree.listed
        let list = try await BuiltProgram.run("fermata", ["checkpoint", "list", machine] + store)
        #expect(list.code == 0, "\(list.messages) \(comment)")
        #expect(try list.json["checkpoints"]?.elements.count == tree.checkpoints.count, "\(comment)")
        let show = try await BuiltProgram.run("fermata", ["vm", "show", machine] + store)
        #expect(show.code == 0, "\(show.messages) \(comment)")
        let state = try MachineRecord(reading: machineFolder).stateAtRest
        #expect(try show.json["state"] == .string("\(state)"), "\(comment)")
        if let last = tree.checkpoints.last {
            let shown = try await BuiltProgram.run(
                "fermata", ["checkpoint", "show", machine, last.id.description] + store)
            #expect(shown.code == 0, "\(shown.messages) \(comment)")
        }
        #expect(before.changes(to: StoreFingerprint(of: folder)).isEmpty, "\(comment)")
    }

    private func check(_ run: HostRun, known: Set<String>, commits: Bool?, _ comment: String) throws {
        let record = try MachineRecord(reading: machineFolder)
        let log = ConsoleLog(consoleText(of: record.id))
        witness = log.segments.last?.ticks.last ?? witness
        let names = Set(record.tree.listed.checkpoints.map(\.name.description))
        let allowed = run.allowed(known)
        #expect(
            commits.map { names == ($0 ? allowed.last : allowed.first) } ?? allowed.contains(names),
            "\(names.sorted()) \(comment)")
        try updateFacts(record, run, log)
        let leaf = record.now.disks.first?.path
        if let commits, let pending = run.pending, pending.isRestore {
            #expect((leaf != run.lastLeaf ?? self.leaf) == commits, "\(pending) \(comment)")
        }
        updateNow(run, log, leaf: leaf)
        self.leaf = leaf
        try checkDisk(of: record.now, flushed: flushed, issued: .max, "now \(comment)")
        for (id, fact) in facts {
            let configuration = try #require(record.checkpoints[id])
            try checkDisk(
                of: configuration, flushed: fact.flushed, issued: fact.issued, "checkpoint \(fact.name) \(comment)")
        }
    }

    private func consoleText(of id: GUID) -> String {
        let path = lab.cache.appending("\(id).console").string
        return FileManager.default.contents(atPath: path).map { String(decoding: $0, as: UTF8.self) } ?? ""
    }

    /// Learns of new checkpoints what their saved console says, and of all the first tick after them.
    private func updateFacts(_ record: MachineRecord, _ run: HostRun, _ log: ConsoleLog) throws {
        facts = facts.filter { record.checkpoints[$0.key] != nil }
        for (id, configuration) in record.checkpoints where facts[id] == nil {
            let state = try SavedState(reading: machineFolder.deviceState(id))
            let text = String(decoding: state.console, as: UTF8.self)
            let last = Tick.all(in: text).last ?? run.lastTick(before: configuration.name)
            facts[id] = Fact(
                name: configuration.name, tick: last?.number ?? 0,
                flushed: max(Tick.flushed(in: text), last?.flushed ?? 0))
        }
        guard log.segments.count >= run.lives.count else { return }
        for (id, fact) in facts where fact.issued == .max {
            guard let life = run.life(through: fact.name), log.segments.indices.contains(life) else { continue }
            // The first tick may have been under way at the checkpoint, the second not.
            let tick = log.segments[life].ticks.first { $0.number == fact.tick + 2 }
            facts[id]?.issued = tick?.issued ?? .max
        }
    }

    /// Works out what must be on now's disk: by the console of the life that goes on in it.
    private func updateNow(_ run: HostRun, _ log: ConsoleLog, leaf: String?) {
        var lives = run.lives
        if let pending = run.pending, pending.isRestore, leaf != run.lastLeaf ?? self.leaf { lives.append(pending) }
        guard let last = lives.last else { return }
        if log.segments.count >= lives.count, let segment = log.segments.last {
            flushed = segment.flushed
        } else {
            let target = last.word == "revert" ? run.revertTarget : last.value
            flushed = facts.values.first { $0.name == target }?.flushed ?? 0
        }
    }

    private func checkDisk(
        of configuration: Configuration, flushed: UInt64, issued: UInt64, _ comment: String
    ) throws {
        guard let witness else { return }
        let disk = try #require(configuration.disks.first)
        let path = try DiskFiles.path(of: disk, machine: configuration.machine, in: machineFolder)
        let chain = try DiskFiles.open(path, in: machineFolder, .readOnly)
        let image = WitnessDisk(
            try WitnessDisk.bytes(of: chain, sectors: witness.sectors), seed: witness.seed, sectors: witness.sectors,
            flushed: flushed, issued: issued)
        #expect(image.problems.isEmpty, "\(comment)")
        if flushed > 0 { #expect(image.newest > 0, "\(comment)") }
    }
}

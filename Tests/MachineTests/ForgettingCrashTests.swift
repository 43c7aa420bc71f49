// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import FermataModel
import FermataTestSupport
import Foundation
import StorageTestSupport
import SystemPackage
import Testing
import VirtualDisk

@testable import FermataEngine

/// A program that deletes or renames checkpoints is killed at every system call that changes a file, or is told there
/// that the disk is full or broken.
///
/// ```
///  base lab ──copy──► strace: the Nth call kills or fails ──► read, opened again, compared ──► done to its end
/// ```
/// The checkpoints are those before or those after, and all that exist hold what they held.
@Suite(.serialized, .enabled(if: Tool("strace").isInstalled, "strace is not installed")) struct ForgettingCrashTests {
    static let isLong = ProcessInfo.processInfo.environment["FERMATA_TEST_ALL"] != nil
    static let calls = [
        "write", "pwrite64", "pwritev", "unlink", "unlinkat", "rename", "renameat", "renameat2", "fsync", "fdatasync",
        "ftruncate", "fallocate", "mkdir", "rmdir", "link", "utimensat",
    ].joined(separator: ",")
    static let operations =
        isLong
        ? ["delete=leaf", "delete=inner", "delete=root", "subtree=inner", "rename=inner=another"]
        : ["delete=inner", "subtree=inner"]
    static let faults = ["signal=KILL", "error=ENOSPC", "error=EIO"]

    /// What the disks of a checkpoint hold, by its identity; now's by the machine's.
    typealias Content = [GUID: [Data]]

    /// `root ─ inner ─┬─ leaf ─ (now)`, and if it forks `other` beside `leaf`, of a VHDX.
    private func base(in folder: TemporaryFolder, forks: Bool, seed: UInt64) async throws -> LabFolder {
        var random = SeededGenerator(seed: seed)
        let lab = try LabFolder.create(folder.path.appending("base"))
        let definition = MachineDefinition(
            name: "web", memory: .mebibytes(1),
            disks: [.init(name: "system", size: .mebibytes(3), format: forks ? .vhdx : .vhd)])
        let host = try MachineHost(
            of: try lab.createMachine(definition, file: { FilePath($0) }), hypervisor: SimulatedHypervisor())
        func change(_ sectors: Int) async throws {
            for chain in try DiskFiles.open(await host.files.now, in: host.folder) {
                for _ in 0..<3 {
                    let sector = Int.random(in: 0..<Int(chain.size) / 512 - sectors, using: &random)
                    try chain.write(random.bytes(sectors * 512), at: UInt64(sector) * 512)
                }
                try chain.close()
            }
        }
        var ids: [String: GUID] = [:]
        for (name, sectors) in [("root", 200), ("inner", 30), ("leaf", 60)] {
            try await change(sectors)
            ids[name] = try await host.checkpoint(CheckpointRequest(name: CheckpointName(name))).id
        }
        if forks {
            _ = try await host.apply(try #require(ids["inner"]))
            try await change(10)
            _ = try await host.checkpoint(CheckpointRequest(name: "other"))
            _ = try await host.apply(try #require(ids["leaf"]))
        }
        try await change(20)
        await host.close()
        return lab
    }

    private func content(_ machine: MachineFolder) throws -> Content {
        let record = try MachineRecord(reading: machine)
        var content: Content = [:]
        for (id, configuration) in [(record.id, record.now)] + record.checkpoints.map({ ($0, $1) }) {
            content[id] = try record.diskFiles(of: configuration).map { file in
                let chain = try DiskFiles.open(file.path, in: machine, .readOnly)
                return Data(try chain.bytes(at: 0, count: Int(chain.size)))
            }
        }
        return content
    }

    private func names(_ machine: MachineFolder) throws -> [GUID: String] {
        try MachineRecord(reading: machine).checkpoints.mapValues(\.name)
    }

    @Test(arguments: operations, isLong ? [false, true] : [false])
    func `a deletion that is cut off or fails has happened or has not`(operation: String, forks: Bool) async throws {
        let folder = try TemporaryFolder()
        let seed = SeededGenerator.seeds(1)[0]
        var random = SeededGenerator(seed: seed)
        let base = try await base(in: folder, forks: forks, seed: seed)
        let copy = LabFolder(folder.path.appending("copy"))
        let log = folder.path.appending("strace.log")
        let words = [
            try ShellLab.program.removingLastComponent().appending("lab-host").string, copy.path.string, "web", "open",
            operation,
        ]
        let content = try content(base.machine("web"))
        let before = try names(base.machine("web"))
        func copied(_ body: () async throws -> Void) async throws {
            try FileManager.default.copyItem(atPath: base.path.string, toPath: copy.path.string)
            try await body()
            try FileManager.default.removeItem(atPath: copy.path.string)
        }
        /// Does it to its end.
        func finish(_ comment: String) async throws -> [GUID: String] {
            let result = try await Tool("env").run(words)
            #expect(result.output.contains("end 1 "), "\(comment): \(result)")
            return try await reopened(copy, content, comment)
        }
        var after: [GUID: String] = [:]
        try await copied { after = try await finish("FERMATA_SEED=\(seed), \(operation)") }
        #expect(after != before)

        func trace(_ options: [String]) async throws -> (code: Int32?, calls: [String]) {
            let result = try await Tool("strace").run(
                ["-f", "-o", log.string, "-e", "trace=\(Self.calls)"] + options + words)
            let text = String(decoding: FileManager.default.contents(atPath: log.string) ?? Data(), as: UTF8.self)
            return (result.code, text.components(separatedBy: "\n"))
        }
        var points: [(call: String, number: Int)] = []
        try await copied { points = Self.points(in: try await trace([]).calls) }
        var rounds = Self.faults.flatMap { fault in points.map { (fault, $0) } }
        if !Self.isLong { rounds = Array(rounds.shuffled(using: &random).prefix(16)) }
        var reached = 0
        for (fault, point) in rounds {
            let comment =
                "FERMATA_SEED=\(seed), \(operation), forks \(forks), \(fault) at \(point.call) \(point.number)"
            try await copied {
                let (code, calls) = try await trace(["-e", "inject=\(point.call):\(fault):when=\(point.number)"])
                if code == nil || calls.contains(where: { $0.contains("(INJECTED)") }) { reached += 1 }
                let found = try await reopened(copy, content, comment)
                #expect(found == before || found == after, "\(comment): \(found)")
                guard found == before else { return }
                #expect(try await finish(comment) == after, "\(comment)")
            }
        }
        // strace counts by thread: where the program's work falls to its threads in another way, a point is passed by.
        #expect(reached > rounds.count / 2)
        print("\(operation)\(forks ? ", forks" : ""): \(reached) points of \(points.count * Self.faults.count)")
    }

    /// Every call of a trace, with its number among those of its kind and thread, as strace counts.
    static func points(in trace: [String]) -> [(call: String, number: Int)] {
        var counts: [String: [Substring: Int]] = [:]
        for line in trace {
            let words = line.split(separator: " ", maxSplits: 1)
            // The numbers of processes are padded.
            guard let call = words.dropFirst().first?.drop(while: { $0 == " " }), let end = call.firstIndex(of: "("),
                !call.hasPrefix("<")
            else { continue }
            counts[String(call[..<end]), default: [:]][words[0], default: 0] += 1
        }
        return counts.sorted { $0.key < $1.key }.flatMap { call, threads in
            (1...(threads.values.max() ?? 1)).map { (call, $0) }
        }
    }

    /// What the next command that writes makes of the lab, which readers must have seen before.
    private func reopened(
        _ lab: LabFolder, _ known: Content, _ comment: String
    ) async throws -> [GUID: String] {
        let machine = lab.machine("web")
        let seen = try names(machine)
        let host = try MachineHost(of: machine, hypervisor: SimulatedHypervisor())
        await host.close()
        let found = try names(machine)
        #expect(found == seen, "\(comment)")
        for (id, disks) in try content(machine) {
            #expect(known[id] == disks, "\(comment): \(id) holds something else")
        }
        #expect(try DiskReferences(of: lab).unowned.isEmpty, "\(comment)")
        let left = try FileManager.default.subpathsOfDirectory(atPath: lab.path.string).filter { path in
            [".new", ".rewriting", ".merging", ".deletion"].contains { path.hasSuffix($0) }
        }
        #expect(left == [], "\(comment)")
        return found
    }
}

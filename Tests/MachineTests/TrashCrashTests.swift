// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import FermataTestSupport
import Foundation
import StorageTestSupport
import SystemPackage
import Testing
import VirtualDisk

@testable import FermataEngine

/// A program that moves something to the trash, brings it back or takes it out is killed at every system call that changes
/// a file, or is told there that the disk is full or broken.
///
/// What exists, what is in the trash and what the machine is are together as before or as after, byte for byte.
@Suite(.serialized, .enabled(if: Tool("strace").isInstalled, "strace is not installed")) struct TrashCrashTests {
    static let isLong = ProcessInfo.processInfo.environment["FERMATA_TEST_ALL"] != nil
    static let calls = [
        "write", "pwrite64", "pwritev", "unlink", "unlinkat", "rename", "renameat", "renameat2", "fsync", "fdatasync",
        "ftruncate", "fallocate", "mkdir", "rmdir", "link", "utimensat",
    ].joined(separator: ",")
    static let faults = ["signal=KILL", "error=ENOSPC", "error=EIO"]
    static let operations = ["delete=inner", "subtree=inner", "untrash=gone", "collect", "apply=inner"]

    /// What the disks hold; a discarded now has the name `now`.
    struct State: Equatable {
        var checkpoints: [String: [Data]] = [:]
        var trash: [String: [Data]] = [:]
        var now: [Data] = []

        init(of machine: MachineFolder) throws {
            let record = try MachineRecord(reading: machine)
            func content(_ configuration: Configuration) throws -> [Data] {
                try DiskFiles.chains(of: configuration, in: machine).map {
                    Data(try $0.bytes(at: 0, count: Int($0.size)))
                }
            }
            for configuration in record.checkpoints.values {
                checkpoints[configuration.name] = try content(configuration)
            }
            for entry in try MachineTrash(of: record).entries {
                let name = entry.name.description
                trash[name.hasPrefix("now ") ? "now" : name] = try content(entry.configuration)
            }
            now = try content(record.now)
        }

        var names: String { "\(checkpoints.keys.sorted()), in the trash \(trash.keys.sorted())" }
    }

    /// The places at which the operation can be killed by their names.
    private static func faultPoints(of operation: String) -> [String] {
        let around = { (point: FaultPoint) in ["before \(point.name)", "after \(point.name)"] }
        return switch operation.prefix(while: { $0 != "=" }) {
        case "delete": around(.trashCommit)
        case "subtree": ["after \(FaultPoint.trashCommit.name)"]
        case "untrash": around(.untrashCommit)
        case "collect": [FaultPoint.trashRemoved.name]
        case "apply": [FaultPoint.nowKept.name] + around(.restoreCommit)
        default: []
        }
    }

    /// `root ─ inner ─┬─ leaf ─ (now)`, and in the trash `gone` beside `leaf`.
    private func base(in folder: TemporaryFolder, seed: UInt64) async throws -> LabFolder {
        var random = SeededGenerator(seed: seed)
        let lab = try LabFolder.create(folder.path.appending("base"), trash: .standard)
        let definition = MachineDefinition(
            name: "web", memory: .mebibytes(1), disks: [.init(name: "system", size: .mebibytes(3))])
        let host = try MachineHost(
            of: try lab.createMachine(definition, file: { FilePath($0) }), hypervisor: SimulatedHypervisor())
        func hold(_ name: String) async throws -> GUID {
            try await change()
            return try await host.checkpoint(CheckpointRequest(name: CheckpointName(name))).id
        }
        func change() async throws {
            for chain in try DiskFiles.open(await host.files.now, in: host.folder) {
                let sector = Int.random(in: 0..<Int(chain.size) / 512 - 50, using: &random)
                try chain.write(random.bytes(50 * 512), at: UInt64(sector) * 512)
                try chain.close()
            }
        }
        _ = try await hold("root")
        let inner = try await hold("inner")
        let gone = try await hold("gone")
        _ = try await host.apply(inner)
        try await host.delete([gone])
        _ = try await hold("leaf")
        try await change()
        await host.close()
        return lab
    }

    @Test(arguments: operations)
    func `what is cut off or fails has happened or has not`(operation: String) async throws {
        let folder = try TemporaryFolder()
        let seed = SeededGenerator.seeds(1)[0]
        var random = SeededGenerator(seed: seed)
        let base = try await base(in: folder, seed: seed)
        let copy = LabFolder(folder.path.appending("copy"))
        let machine = copy.machine("web")
        let log = folder.path.appending("strace.log")
        let words = [
            try ShellLab.program.removingLastComponent().appending("lab-host").string, copy.path.string, "web", "open",
            operation,
        ]
        func copied<Result>(_ body: () async throws -> Result) async throws -> Result {
            try FileManager.default.copyItem(atPath: base.path.string, toPath: copy.path.string)
            let result = try await body()
            try FileManager.default.removeItem(atPath: copy.path.string)
            return result
        }
        /// What readers see, and the next command that writes makes of it.
        func reopened(_ comment: String) async throws -> State {
            let seen = try State(of: machine)
            let host = try MachineHost(of: machine, hypervisor: SimulatedHypervisor())
            await host.close()
            let found = try State(of: machine)
            #expect(found == seen, "\(comment): \(seen.names) became \(found.names)")
            #expect(try MachineTrash(of: MachineRecord(reading: machine)).void.isEmpty, "\(comment)")
            let left = try FileManager.default.subpathsOfDirectory(atPath: copy.path.string).filter { path in
                [".new", ".merging", ".deletion"].contains { path.hasSuffix($0) }
            }
            #expect(left == [], "\(comment)")
            #expect(try Examination(of: copy.path).findings.filter { $0.code != "parent-time" } == [], "\(comment)")
            return found
        }
        func trace(_ options: [String]) async throws -> (code: Int32?, calls: [String]) {
            let result = try await Tool("strace").run(
                ["-f", "-o", log.string, "-e", "trace=\(Self.calls)"] + options + words)
            let text = String(decoding: FileManager.default.contents(atPath: log.string) ?? Data(), as: UTF8.self)
            return (result.code, text.components(separatedBy: "\n"))
        }
        let before = try State(of: base.machine("web"))
        let after = try await copied {
            let result = try await Tool("env").run(words)
            #expect(result.output.contains("end 1 "), "\(operation): \(result)")
            return try await reopened(operation)
        }
        #expect(after != before)
        let points = try await copied { Self.points(in: try await trace([]).calls) }
        var rounds = Self.faults.flatMap { fault in points.map { (fault, $0) } }
        if !Self.isLong { rounds = Array(rounds.shuffled(using: &random).prefix(8)) }
        for point in Self.faultPoints(of: operation) {
            try await copied {
                let result = try await Tool("env").run(["FERMATA_FAULT_POINT=\(point)"] + words)
                #expect(!result.output.contains("end 1 "), "\(operation), \(point): \(result)")
                let found = try await reopened("\(operation), \(point)")
                let isBefore = point.hasPrefix("before ") || point == FaultPoint.nowKept.name
                #expect(found == (isBefore ? before : after), "\(operation), \(point): \(found.names)")
            }
        }
        var reached = 0
        for (fault, point) in rounds {
            let comment = "FERMATA_SEED=\(seed), \(operation), \(fault) at \(point.call) \(point.number)"
            try await copied {
                let (code, calls) = try await trace(["-e", "inject=\(point.call):\(fault):when=\(point.number)"])
                if code == nil || calls.contains(where: { $0.contains("(INJECTED)") }) { reached += 1 }
                let found = try await reopened(comment)
                #expect(found == before || found == after, "\(comment): \(found.names)")
                guard found == before else { return }
                _ = try await Tool("env").run(words)
                #expect(try await reopened(comment) == after, "\(comment)")
            }
        }
        #expect(reached > rounds.count / 2)
        print("\(operation), with a trash: \(reached) points of \(points.count * Self.faults.count)")
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
}

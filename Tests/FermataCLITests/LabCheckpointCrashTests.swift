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

/// What several machines do together is killed at every point, in the process that gathers them or in one that hosts a
/// machine: afterwards all of them have done it, or none has.
@Suite(.serialized) struct LabCheckpointCrashTests {
    private static let isLong = ProcessInfo.processInfo.environment["FERMATA_TEST_ALL"] != nil

    /// An operation on the lab, and the points at which it is cut off; those before its commit first.
    struct Operation: CustomStringConvertible {
        let words: [String]
        let before: [String]
        let after: [String]

        /// In a short run the last before the commit, and the first after it.
        var points: [String] { LabCheckpointCrashTests.isLong ? before + after : before.suffix(1) + after.prefix(1) }

        var description: String { words.joined(separator: " ") }
    }

    static let operations = [
        Operation(
            words: ["create", "--all", "new"],
            before: [
                "children created", "before configuration", "after configuration", "before checkpoint",
                "before lab checkpoint", "after checkpoint",
            ], after: ["after lab checkpoint"]),
        Operation(
            words: ["create", "--all", "first", "--replace"], before: ["after checkpoint", "before lab checkpoint"],
            after: ["checkpoint removed", "after lab checkpoint"]),
        Operation(
            words: ["apply", "--all", "first", "--discard"],
            before: ["restore children created", "before lab restore"],
            after: ["before restore", "after lab restore", "after restore", "old disk removed"]),
        Operation(
            words: ["delete", "--all", "first"], before: [], after: ["lab checkpoint removed", "before configuration"]),
        Operation(
            words: ["rename", "--all", "first", "another"], before: ["before lab checkpoint"],
            after: ["after lab checkpoint"]),
    ]

    /// What each machine's now and each of its checkpoints hold on the disk, by name, and what now grew from.
    private func state(of lab: LabFolder) throws -> [String] {
        let record = try LabRecord(reading: lab)
        var state = record.checkpoints.map { checkpoint in
            "lab \(checkpoint.name): \(checkpoint.members.map(\.name.description)) lacks \(record.missing(of: checkpoint).count)"
        }
        for machine in record.machines {
            let names = machine.tree.checkpoints.map(\.name.description).sorted()
            let parent = machine.tree.now.flatMap { machine.tree[$0]?.name.description } ?? "nothing"
            state.append("\(machine.folder.name): \(names) from \(parent), now \(try word(machine.now, machine))")
            for (_, configuration) in machine.checkpoints.sorted(by: { $0.value.name < $1.value.name }) {
                state.append("\(machine.folder.name)/\(configuration.name): \(try word(configuration, machine))")
            }
        }
        return state
    }

    private func word(_ configuration: Configuration, _ machine: MachineRecord) throws -> String {
        let path = try #require(try machine.diskFiles(of: configuration).first?.path)
        let chain = try DiskFiles.open(path, in: machine.folder, .readOnly)
        return String(decoding: try chain.bytes(at: 512, count: 16).prefix { $0 != 0 }, as: UTF8.self)
    }

    /// Takes hold of a machine once the process that hosts it has ended.
    private func host(_ folder: MachineFolder) async throws -> MachineHost {
        let limit = ContinuousClock.now + .seconds(60)
        while true {
            do throws(EngineError) {
                return try MachineHost(of: folder, hypervisor: SimulatedHypervisor())
            } catch {
                guard error.code == .busy, ContinuousClock.now < limit else { throw error }
            }
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    /// Writes a word onto each machine's disk.
    private func write(_ word: String, to lab: LabFolder) async throws {
        for folder in try lab.machines() {
            let host = try await host(folder)
            for chain in try DiskFiles.open(await host.files.now, in: folder) {
                try chain.write(Array(word.utf8) + [UInt8](repeating: 0, count: 512 - word.utf8.count), at: 512)
                try chain.close()
            }
            await host.close()
        }
    }

    @Test(arguments: operations) func `all have done it, or none has`(operation: Operation) async throws {
        let folder = try TemporaryFolder()
        let base = try LabFolder.create(folder.path.appending("base"))
        for name in ["db", "web"] {
            let definition = MachineDefinition(
                name: MachineName(name), memory: .mebibytes(1), disks: [.init(name: "system", size: .mebibytes(1))])
            _ = try base.createMachine(definition, file: { FilePath($0) })
        }
        func fermata(_ words: [String], in lab: LabFolder, fault: String? = nil) async throws -> Program.Result {
            try await Program.fermata.run(
                ["checkpoint"] + words + ["--store", lab.path.string], in: folder.path,
                environment: fault.map { ["FERMATA_FAULT_POINT": $0] } ?? [:])
        }
        try await write("first", to: base)
        #expect(try await fermata(["create", "--all", "first"], in: base).code == 0)
        try await write("second", to: base)
        for machine in try base.machines() { await (try await host(machine)).close() }
        let before = try state(of: base)
        #expect(before.contains("db: [\"first\"] from first, now second"), "\(before)")
        let copy = LabFolder(folder.path.appending("copy"))
        func copied(_ body: () async throws -> Void) async throws {
            #expect(try await Tool("cp").run(["-a", base.path.string, copy.path.string]).code == 0)
            try await body()
            for machine in try copy.machines() { await (try await host(machine)).close() }
            try FileManager.default.removeItem(atPath: copy.path.string)
        }
        var after: [String] = []
        try await copied {
            let result = try await fermata(operation.words, in: copy)
            #expect(result.code == 0, "\(result)")
            for machine in try copy.machines() { await (try await host(machine)).close() }
            after = try state(of: copy)
        }
        #expect(after != before)
        for point in operation.points {
            try await copied {
                let result = try await fermata(operation.words, in: copy, fault: point)
                #expect(result.code != 0, "\(point) was not reached: \(result)")
                for machine in try copy.machines() { await (try await host(machine)).close() }
                try copy.removeLeftovers()
                let found = try state(of: copy)
                #expect(found == (operation.before.contains(point) ? before : after), "\(point)")
                let doctor = try await Program.fermata.run(
                    ["doctor", "--json", "--store", copy.path.string], in: folder.path)
                // A host that is killed leaves its socket until the next one.
                let findings = try doctor.json["findings"]?.elements ?? []
                #expect(findings.filter { $0["code"] != "socket-stale" }.isEmpty, "\(point): \(doctor.output)")
                guard found == before else { return }
                let again = try await fermata(operation.words, in: copy)
                #expect(again.code == 0, "\(point): \(again)")
                for machine in try copy.machines() { await (try await host(machine)).close() }
                #expect(try state(of: copy) == after, "\(point)")
            }
        }
        print("\(operation): killed at \(operation.points.count) points")
    }
}

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

/// A program that forks a machine, or promotes a fork, is killed at every system call that changes a file, or is told
/// there that the disk is full or broken; see ``ForgettingCrashTests``.
///
/// The fork is there or is not, and no machine's disks ever read otherwise.
@Suite(.serialized, .enabled(if: Tool("strace").isInstalled, "strace is not installed")) struct ForkCrashTests {
    static let isLong = ForgettingCrashTests.isLong
    static let faults = ForgettingCrashTests.faults

    /// What the disks of every machine hold, by its name and that of the checkpoint.
    typealias Content = [String: [Data]]

    /// `web` with `inner ─ leaf ─ (now)`, `inner` with memory, a fork of `inner` with a checkpoint of its
    /// own, and `third`, a fork of that.
    private func base(in folder: TemporaryFolder, seed: UInt64) async throws -> LabFolder {
        var random = SeededGenerator(seed: seed)
        let lab = try LabFolder.create(folder.path.appending("base"))
        let definition = MachineDefinition(
            name: "web", memory: .mebibytes(1),
            disks: [
                .init(name: "system", size: ByteSize(bytes: 99 * 512)),
                .init(name: "data", size: ByteSize(bytes: 256 << 10), format: .vhdx),
            ])
        let hypervisor = SimulatedHypervisor()
        let web = try MachineHost(of: try lab.createMachine(definition, file: { FilePath($0) }), hypervisor: hypervisor)
        func change(_ host: MachineHost) async throws {
            for chain in try DiskFiles.open(await host.files.now, in: host.folder) {
                let sector = Int.random(in: 0..<Int(chain.size) / 512 - 30, using: &random)
                try chain.write(random.bytes(30 * 512), at: UInt64(sector) * 512)
                try chain.close()
            }
        }
        try await change(web)
        try await web.start()
        _ = try await web.run(.shell("set word held"))
        let inner = try await web.checkpoint(CheckpointRequest(name: "inner")).id
        try await web.turnOff()
        try await change(web)
        _ = try await web.checkpoint(CheckpointRequest(name: "leaf"))
        try await change(web)
        _ = try await web.fork(inner, as: "fork")
        let fork = try MachineHost(of: lab.machine("fork"), hypervisor: hypervisor)
        let own = try await fork.checkpoint(CheckpointRequest(name: "own")).id
        _ = try await fork.fork(own, as: "third", withMemory: false)
        for host in [web, fork] { await host.close() }
        return lab
    }

    private func content(_ lab: LabFolder) throws -> Content {
        var content: Content = [:]
        for machine in try lab.machines() {
            let record = try MachineRecord(reading: machine)
            for configuration in [record.now] + record.checkpoints.values {
                let name = configuration.checkpoint == nil ? "now" : configuration.name
                content["\(machine.name) \(name)"] = try record.diskFiles(of: configuration).map { file in
                    let chain = try DiskFiles.open(file.path, in: machine, .readOnly)
                    return Data(try chain.bytes(at: 0, count: Int(chain.size)))
                }
            }
        }
        return content
    }

    /// Whether the fork needs no disk of the source.
    private func isPromoted(_ lab: LabFolder) throws -> Bool {
        try DiskReferences(of: lab).foreignParents(in: lab.machine("fork")).isEmpty
    }

    /// What the next commands that write make of the lab, which readers must have seen before.
    private func reopened(_ lab: LabFolder, _ known: Content, _ comment: String) async throws -> Content {
        let seen = try lab.machines().map(\.name)
        // A fork of a fork does not wait for those through which it reads.
        for name in ["third", "web", "fork"] as [MachineName] {
            await (try MachineHost(of: lab.machine(name), hypervisor: SimulatedHypervisor())).close()
        }
        try lab.removeLeftovers()
        let found = try content(lab)
        #expect(try lab.machines().map(\.name) == seen, "\(comment)")
        for (name, disks) in found { #expect(known[name] == disks, "\(comment): \(name)") }
        let references = try DiskReferences(of: lab)
        let left = try FileManager.default.subpathsOfDirectory(atPath: lab.path.string).filter { path in
            [".new", ".rewriting", ".merging", "-new"].contains { path.hasSuffix($0) } || path.contains(".backup")
                || (path.contains(".avhd") && !references.needed.contains(lab.path.appending(path)))
        }
        #expect(left == [], "\(comment)")
        return found
    }

    @Test(arguments: [("web", "fork=inner=twin"), ("fork", "promote")])
    func `what is cut off or fails has happened or has not`(machine: String, operation: String) async throws {
        let folder = try TemporaryFolder()
        let seed = SeededGenerator.seeds(1)[0]
        var random = SeededGenerator(seed: seed)
        let base = try await base(in: folder, seed: seed)
        let copy = LabFolder(folder.path.appending("copy"))
        let log = folder.path.appending("strace.log")
        let words = [
            try ShellLab.program.removingLastComponent().appending("lab-host").string, copy.path.string, machine,
            "open",
            operation,
        ]
        let before = try content(base)
        var after = before
        if machine == "web" { after["twin now"] = before["web inner"] }
        func copied(_ body: () async throws -> Void) async throws {
            try FileManager.default.copyItem(atPath: base.path.string, toPath: copy.path.string)
            try await body()
            try FileManager.default.removeItem(atPath: copy.path.string)
        }
        /// Does it to its end.
        func finish(_ comment: String, isProved: Bool) async throws {
            let result = try await Tool("env").run(words)
            #expect(result.output.contains("end 1 "), "\(comment): \(result)")
            #expect(try await reopened(copy, after, comment) == after, "\(comment)")
            if machine == "fork" { #expect(try isPromoted(copy), "\(comment)") }
            guard isProved || Self.isLong else { return }
            // The memory is a fork's as it was, whatever became of its disks.
            for name in ["fork", machine == "web" ? "twin" : "fork"] as [MachineName] {
                let host = try MachineHost(of: copy.machine(name), hypervisor: SimulatedHypervisor())
                // A program that ends turns its machine off.
                if name == "fork" { _ = try await host.apply(host.files.checkpoint("own").id) }
                try await host.start()
                let word = try await host.run(.shell("get word"))
                #expect(String(decoding: word.standardOutput, as: UTF8.self) == "held\n", "\(comment): \(name)")
                if name == "twin" { #expect(await host.files.id != (try? base.machine("web").identity())) }
                try await host.save()
                await host.close()
            }
        }
        func trace(_ options: [String]) async throws -> (code: Int32?, calls: [String]) {
            let result = try await Tool("strace").run(
                ["-f", "-o", log.string, "-e", "trace=\(ForgettingCrashTests.calls)"] + options + words)
            let text = String(decoding: FileManager.default.contents(atPath: log.string) ?? Data(), as: UTF8.self)
            return (result.code, text.components(separatedBy: "\n"))
        }
        var points: [(call: String, number: Int)] = []
        try await copied { points = ForgettingCrashTests.points(in: try await trace([]).calls) }
        var rounds = Self.faults.flatMap { fault in points.map { (fault, $0) } }
        if !Self.isLong { rounds = Array(rounds.shuffled(using: &random).prefix(2)) }
        var reached = 0
        for (number, (fault, point)) in rounds.enumerated() {
            let comment = "FERMATA_SEED=\(seed), \(operation), \(fault) at \(point.call) \(point.number)"
            try await copied {
                let (code, calls) = try await trace(["-e", "inject=\(point.call):\(fault):when=\(point.number)"])
                if code == nil || calls.contains(where: { $0.contains("(INJECTED)") }) { reached += 1 }
                let found = try await reopened(copy, after, comment)
                #expect(found == before || found == after, "\(comment): \(found.keys.sorted())")
                guard found == before else { return }
                try await finish(comment, isProved: number == 0)
            }
        }
        // strace counts by thread: where the program's work falls to its threads in another way, a point is passed by.
        #expect(reached > rounds.count / 2)
        print("\(operation): \(reached) points of \(points.count * Self.faults.count)")
    }
}

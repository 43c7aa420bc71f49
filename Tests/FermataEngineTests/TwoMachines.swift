// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import FermataTestSupport
import Foundation
import StorageTestSupport
import SystemPackage

@testable import FermataEngine

/// Two machines of the simulated hypervisor in one lab, `db` and `web`, each with a word in its memory and on its disk.
final class TwoMachines {
    let folder: TemporaryFolder
    let lab: LabFolder
    /// What may fail of `web`'s hypervisor.
    let failing = Failing()
    private(set) var hosts: [MachineHost] = []

    var db: MachineHost { hosts[0] }
    var web: MachineHost { hosts[1] }

    init(_ way: HostSettings.RestoreWay = .automatic, trash: TrashBudget? = nil) async throws {
        folder = try TemporaryFolder()
        lab = try LabFolder.create(folder.path.appending("lab"), trash: trash)
        for name in ["db", "web"] {
            let definition = MachineDefinition(
                name: MachineName(name), memory: .mebibytes(1), disks: [.init(name: "system", size: .mebibytes(1))])
            _ = try lab.createMachine(definition, file: { FilePath($0) })
        }
        try takeHold(way)
    }

    private func takeHold(_ way: HostSettings.RestoreWay = .automatic) throws {
        hosts = [
            try MachineHost(
                of: lab.machine("db"), hypervisor: SimulatedHypervisor(), settings: HostSettings(restoreWay: way)),
            try MachineHost(
                of: lab.machine("web"), hypervisor: SimulatedHypervisor(before: failing.check),
                settings: HostSettings(restoreWay: way)),
        ]
    }

    func letGo() async {
        for host in hosts { await host.close() }
        hosts = []
    }

    /// Lets go of both machines, and takes hold of them again.
    func reopen() async throws {
        await letGo()
        try takeHold()
    }

    func start() async throws {
        for host in hosts { try await host.start() }
    }

    /// Puts a word into the memory and onto the disk of each.
    func set(_ word: String) async throws {
        for host in hosts {
            _ = try await host.run(.shell("set word \(word)"))
            _ = try await host.run(.shell("write 512 \(word)"))
        }
    }

    /// The words in memory and on disk of each machine that runs.
    func words() async throws -> [String] {
        var words: [String] = []
        for host in hosts {
            for line in ["get word", "read 512 16"] {
                let output = try await host.run(.shell(line)).standardOutput
                words.append(
                    String(decoding: output.prefix { $0 != 0 }, as: UTF8.self)
                        .trimmingCharacters(in: .whitespacesAndNewlines))
            }
        }
        return words
    }

    @discardableResult
    func checkpoint(_ name: CheckpointName, replace: Bool = false) async throws -> LabCheckpoint {
        try await lab.checkpoint(CheckpointRequest(name: name, replaces: replace), of: hosts).checkpoint
    }

    func apply(_ checkpoint: LabCheckpoint) async throws {
        _ = try await lab.apply(checkpoint, to: hosts)
    }

    var record: LabRecord {
        get throws { try LabRecord(reading: lab) }
    }

    /// The names of each machine's checkpoints, by what the files say.
    var names: [[String]] {
        get throws { try record.machines.map { $0.tree.checkpoints.map(\.name.description).sorted() } }
    }

    /// Every file below the lab but the cache, with its size.
    func files() throws -> Set<String> {
        Set(
            try FileManager.default.subpathsOfDirectory(atPath: lab.path.string).filter { !$0.hasPrefix(".cache") })
    }
}

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

/// A lab of the simulated hypervisor whose machines are forked, and what each of them must hold.
final class ForkLab {
    static let definition = MachineDefinition(
        name: "web", memory: .mebibytes(1),
        disks: [
            .init(name: "system", size: ByteSize(bytes: 333 * 512)),
            .init(name: "data", size: .mebibytes(1), format: .vhdx),
        ], hasNetwork: true)

    let folder: TemporaryFolder
    let hypervisor = SimulatedHypervisor()
    private(set) var lab: LabFolder
    private var random: SeededGenerator

    init(seed: UInt64 = 1) throws {
        folder = try TemporaryFolder()
        random = SeededGenerator(seed: seed)
        lab = try LabFolder.create(folder.path.appending("lab"))
        _ = try lab.createMachine(Self.definition, file: { FilePath($0) })
    }

    func open(_ name: MachineName) throws -> MachineHost {
        try MachineHost(of: lab.machine(name), hypervisor: hypervisor)
    }

    /// Takes hold of a machine, does something, and lets go of it.
    func with<Result>(_ name: MachineName, _ body: (MachineHost) async throws -> Result) async throws -> Result {
        let host = try open(name)
        do {
            let result = try await body(host)
            await host.close()
            return result
        } catch {
            await host.close()
            throw error
        }
    }

    func moveLab() throws {
        let moved = folder.path.appending("moved")
        try FileManager.default.moveItem(atPath: lab.path.string, toPath: moved.string)
        lab = try LabFolder.open(moved)
    }

    /// Writes random bytes to each disk of a machine that is off.
    func change(_ host: MachineHost) async throws {
        for chain in try DiskFiles.open(await host.files.now, in: host.folder) {
            for _ in 0..<3 {
                let sector = Int.random(in: 0..<Int(chain.size) / 512 - 40, using: &random)
                try chain.write(random.bytes(40 * 512), at: UInt64(sector) * 512)
            }
            try chain.close()
        }
    }

    func hold(_ host: MachineHost, _ name: CheckpointName) async throws -> GUID {
        try await host.checkpoint(CheckpointRequest(name: name)).id
    }

    /// What the disks of a configuration hold.
    func disks(_ configuration: Configuration, of name: MachineName) throws -> [Data] {
        try MachineRecord(reading: lab.machine(name)).diskFiles(of: configuration).map { file in
            let chain = try DiskFiles.open(file.path, in: lab.machine(name), .readOnly)
            return Data(try chain.bytes(at: 0, count: Int(chain.size)))
        }
    }

    /// What a machine's disks hold now.
    func disks(of name: MachineName) throws -> [Data] {
        try disks(MachineRecord(reading: lab.machine(name)).now, of: name)
    }

    /// Whether a machine reads any disk in another's folder.
    func reads(_ name: MachineName, through other: MachineName) throws -> Bool {
        let record = try MachineRecord(reading: lab.machine(name))
        return try ([record.now] + record.checkpoints.values).contains { configuration in
            try record.diskFiles(of: configuration).flatMap(\.chain).contains {
                $0.starts(with: lab.machine(other).path)
            }
        }
    }

    /// The names of the files of a machine's differencing disks.
    func differencingDisks(_ name: MachineName) throws -> [String] {
        let folder = lab.machine(name)
        let place = folder.differencingDisks(of: try folder.identity())
        return FileSystem.exists(place) ? try FileSystem.entries(of: place).sorted() : []
    }

    /// Reads a machine's first disk, a VHD, with 7-Zip, which did not learn it from us.
    func expectOutside(_ name: MachineName, reads expected: Data, _ comment: String = "") async throws {
        let record = try MachineRecord(reading: lab.machine(name))
        let file = try record.diskFiles(of: record.now)[0]
        let flat = try TemporaryFolder()
        // It knows no folders: a chain must lie in one.
        for link in file.chain {
            try FileManager.default.createSymbolicLink(
                atPath: flat.path.appending(link.lastComponent?.string ?? "").string,
                withDestinationPath: link.string)
        }
        let output = flat.path.appending("out")
        let result = try await Tool("7zz").run([
            "e", "-tvhd", "-o\(output)", "-y", flat.path.appending(file.path.lastComponent?.string ?? "").string,
        ])
        #expect(result.code == 0, "\(comment): 7zz: \(result.messages)\(result.output)")
        let made = try #require(FileManager.default.contentsOfDirectory(atPath: output.string).first)
        let isSame = FileManager.default.contents(atPath: output.appending(made).string) == expected
        #expect(isSame, "\(comment): 7zz reads \(file.path) otherwise")
    }
}

extension MachineHost {
    /// What a command of the simulated guest prints.
    func output(_ line: String) async throws -> String {
        let result = try await run(.shell(line))
        try #require(result.exitCode == 0)
        return String(decoding: result.standardOutput, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
    }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import FermataModel
import FermataTestSupport
import StorageTestSupport
import SystemPackage
import Testing
import VirtualDisk

@testable import FermataEngine

/// A lab of the simulated hypervisor on which operations are cut off, and what is done to copies of it.
///
/// ```
///  <place>/lab         the lab
///  <place>/exported    checkpoint `inner` of `web`, as a folder
///  <place>/out         where exports go
/// ```
struct FileCallLab: Sendable {
    enum Kind: String, CaseIterable, Sendable {
        /// No lab yet.
        case empty
        /// `web`: `root ─ inner ─┬─ leaf ─ (now)`, `inner` with memory, and beside `leaf` the disk-only `other`.
        case tree
        /// The same, saved, and a checkpoint `held` of the saved machine.
        case saved
        /// `web`: `inner ─ leaf ─ (now)`, its fork `fork` of `inner` with a checkpoint `own`, and `third`, a fork of that.
        case forks
    }

    let place: FilePath
    /// The identities that there were before anything was done.
    let known: Set<GUID>

    var lab: LabFolder { LabFolder(place.appending("lab")) }

    private init(place: FilePath, known: Set<GUID>) {
        self.place = place
        self.known = known
    }

    /// Makes a lab.
    init(_ kind: Kind, at place: FilePath, seed: UInt64) async throws {
        self.place = place
        for name in ["lab", "out"] { try FileSystem.create(place.appending(name)) }
        var known: Set<GUID> = []
        if kind != .empty {
            let lab = try LabFolder.create(place.appending("lab"))
            var maker = Maker(lab: lab, random: SeededGenerator(seed: seed))
            try await maker.make(kind, exportingTo: place)
            for machine in try lab.machines() {
                let record = try MachineRecord(reading: machine)
                known.formUnion([record.id] + record.checkpoints.keys)
            }
        } else {
            try FileSystem.removeAll(place.appending("lab"))
        }
        self.known = known
    }

    /// Copies the lab with its files' times: children record their parents'.
    func copied(to place: FilePath) async throws -> FileCallLab {
        let result = try await Tool("cp").run(["-a", self.place.string, place.string])
        try #require(result.code == 0, "\(result.messages)")
        return FileCallLab(place: place, known: known)
    }

    /// What the lab holds.
    func content(isDeep: Bool, comparesNewMemory: Bool) throws -> LabContent {
        var content = try LabContent(
            of: lab, knowing: known, isDeep: isDeep, comparesNewMemory: comparesNewMemory)
        if isDeep { try content.addExport(place.appending("out/folder")) }
        return content
    }

    private struct Maker {
        let lab: LabFolder
        let hypervisor = SimulatedHypervisor()
        var random: SeededGenerator

        init(lab: LabFolder, random: SeededGenerator) {
            self.lab = lab
            self.random = random
        }

        mutating func make(_ kind: Kind, exportingTo place: FilePath) async throws {
            let definition = MachineDefinition(
                name: "web", memory: .mebibytes(1), boot: .init(kernel: "store.json"),
                disks: [
                    .init(name: "system", size: ByteSize(bytes: 99 * 512)),
                    .init(name: "data", size: ByteSize(bytes: 256 << 10), format: .vhdx),
                ], hasNetwork: true)
            let lab = lab
            _ = try lab.createMachine(definition, file: { lab.path.appending($0) })
            let web = try host("web")
            if kind == .forks { try await makeForks(web) } else { try await makeTree(web) }
            if kind == .saved {
                _ = try await web.apply(web.files.checkpoint("inner").id)
                try await web.save()
                _ = try await web.checkpoint(CheckpointRequest(name: "held"))
            } else {
                try await web.export(
                    web.files.checkpoint("inner").id, to: place.appending("exported"), withMemory: true)
            }
            await web.close()
        }

        private mutating func makeTree(_ web: MachineHost) async throws {
            try await change(web)
            _ = try await web.checkpoint(CheckpointRequest(name: "root"))
            try await change(web)
            let inner = try await holdMemory(of: web)
            try await change(web)
            _ = try await web.checkpoint(CheckpointRequest(name: "leaf"))
            _ = try await web.apply(inner)
            try await web.turnOff()
            try await change(web)
            _ = try await web.checkpoint(CheckpointRequest(name: "other", kind: .diskOnly))
            _ = try await web.apply(web.files.checkpoint("leaf").id)
            try await change(web)
        }

        private mutating func makeForks(_ web: MachineHost) async throws {
            try await change(web)
            let inner = try await holdMemory(of: web)
            try await change(web)
            _ = try await web.checkpoint(CheckpointRequest(name: "leaf"))
            try await change(web)
            _ = try await web.fork(inner, as: "fork")
            let fork = try host("fork")
            let own = try await fork.checkpoint(CheckpointRequest(name: "own")).id
            _ = try await fork.fork(own, as: "third", withMemory: false)
            await fork.close()
        }

        private func host(_ name: MachineName) throws -> MachineHost {
            try MachineHost(of: lab.machine(name), hypervisor: hypervisor)
        }

        /// The checkpoint `inner`, whose memory holds a word.
        private func holdMemory(of web: MachineHost) async throws -> GUID {
            try await web.start()
            _ = try await web.run(.shell("set word held"))
            let inner = try await web.checkpoint(CheckpointRequest(name: "inner")).id
            try await web.turnOff()
            return inner
        }

        private mutating func change(_ host: MachineHost) async throws {
            for chain in try DiskFiles.open(await host.files.now, in: host.folder) {
                for _ in 0..<2 {
                    let sector = Int.random(in: 0..<Int(chain.size) / 512 - 30, using: &random)
                    try chain.write(random.bytes(30 * 512), at: UInt64(sector) * 512)
                }
                try chain.close()
            }
        }
    }
}

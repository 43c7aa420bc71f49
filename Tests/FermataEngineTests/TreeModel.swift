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

/// A machine of the simulated hypervisor, and beside it all that it and its checkpoints must hold.
final class TreeModel {
    /// What a moment holds.
    struct Moment: Equatable {
        var disks: [[UInt8]]
        /// The guest's variable; nil without memory.
        var word: String?
        var state: MachineState
    }

    /// What is known of a checkpoint.
    struct Node: Equatable {
        var name: String
        var notes: String?
        var moment: Moment
        /// Those from which it grew, nearest first, whether they still exist or not.
        var ancestors: [GUID]
    }

    /// Odd sizes: two blocks, one block, and less than one.
    static let definition = MachineDefinition(
        name: "web", memory: .mebibytes(1),
        disks: [
            .init(name: "system", size: ByteSize(bytes: (2 << 20) + 33 * 512)),
            .init(name: "data", size: .mebibytes(1), format: .vhdx),
            .init(name: "small", size: ByteSize(bytes: 69 * 512)),
        ])

    let folder: TemporaryFolder
    let hypervisor = SimulatedHypervisor()
    private(set) var host: MachineHost
    var nodes: [GUID: Node] = [:]
    /// What is in the trash; nil in a lab without one.
    var trashed: [GUID: Node]?
    private(set) var now: Moment
    private(set) var ancestors: [GUID] = []
    var random: SeededGenerator

    init(seed: UInt64, trash budget: TrashBudget? = nil) throws {
        folder = try TemporaryFolder()
        random = SeededGenerator(seed: seed)
        trashed = budget.map { _ in [:] }
        let lab = try LabFolder.create(folder.path.appending("lab"), trash: budget)
        host = try MachineHost(
            of: try lab.createMachine(Self.definition, file: { FilePath($0) }), hypervisor: hypervisor,
            settings: HostSettings(restoreWay: .automatic))
        now = Moment(
            disks: Self.definition.disks.map { [UInt8](repeating: 0, count: Int($0.size.bytes)) }, word: nil,
            state: .off)
    }

    /// The nearest of some ancestors that exists.
    func parent(_ ancestors: [GUID]) -> GUID? { ancestors.first { nodes[$0] != nil } }

    /// The checkpoints below one.
    func descendants(of id: GUID) -> Set<GUID> {
        var found: Set<GUID> = []
        while true {
            let more = nodes.filter { node in
                !found.contains(node.key)
                    && (parent(node.value.ancestors).map { $0 == id || found.contains($0) } ?? false)
            }
            guard !more.isEmpty else { return found }
            found.formUnion(more.keys)
        }
    }

    // MARK: Operations

    /// Does something at random.
    ///
    /// - Parameter limit: the most checkpoints.
    /// - Returns: what it was.
    func act(atMost limit: Int) async throws -> String {
        let ids = nodes.keys.sorted()
        switch Int.random(in: 0..<100, using: &random) {
        case 0..<35: return try await write()
        case 35..<60:
            guard ids.count < limit else { return try await delete([random.pick(ids, or: .random())]) }
            return try await checkpoint()
        case 60..<72 where !ids.isEmpty: return try await apply(random.pick(ids, or: .random()))
        case 72..<80 where !ids.isEmpty: return try await delete([random.pick(ids, or: .random())])
        case 80..<83 where !ids.isEmpty:
            let top = random.pick(ids, or: .random())
            return try await delete(descendants(of: top).union(random.chance(50) ? [top] : []))
        case 83..<87 where !ids.isEmpty: return try await change(random.pick(ids, or: .random()))
        case 87..<90: return try await reopen()
        default: return try await power()
        }
    }

    func write() async throws -> String {
        guard now.state != .saved else { return "nothing: saved" }
        var places: [String] = []
        for _ in 0..<Int.random(in: 1...4, using: &random) {
            let disk = Int.random(in: 0..<now.disks.count, using: &random)
            let sector = Int.random(in: 0..<now.disks[disk].count / 512, using: &random)
            places.append("\(disk):\(sector)")
            if now.state == .running {
                let text = "w\(random.next())"
                _ = try await output("write \(disk):\(sector * 512) \(text)")
                put(Array(text.utf8) + [UInt8](repeating: 0, count: 512 - text.utf8.count), disk, sector)
                continue
            }
            let count = min(Int.random(in: 1...80, using: &random), now.disks[disk].count / 512 - sector)
            let bytes = random.chance(20) ? [UInt8](repeating: 0, count: count * 512) : random.bytes(count * 512)
            let chain = try DiskFiles.open(await host.files.now, in: host.folder)[disk]
            try chain.write(bytes, at: UInt64(sector) * 512)
            try chain.close()
            put(bytes, disk, sector)
        }
        if now.state == .running, random.chance(50) {
            now.word = "w\(random.next())"
            _ = try await output("set word \(now.word ?? "")")
        }
        return "write " + places.joined(separator: " ")
    }

    private func put(_ bytes: [UInt8], _ disk: Int, _ sector: Int) {
        now.disks[disk].replaceSubrange(sector * 512..<sector * 512 + bytes.count, with: bytes)
    }

    func checkpoint(named name: String? = nil) async throws -> String {
        let name = name ?? "c\(random.next())"
        let notes = random.chance(30) ? "notes of \(name)" : nil
        let isDiskOnly = random.chance(30)
        let request = CheckpointRequest(
            name: CheckpointName(name), notes: notes, kind: isDiskOnly ? .diskOnly : .standard)
        let id = try await host.checkpoint(request).id
        let moment = isDiskOnly ? Moment(disks: now.disks, word: nil, state: .off) : now
        nodes[id] = Node(name: name, notes: notes, moment: moment, ancestors: ancestors)
        ancestors = [id] + ancestors
        return "checkpoint \(name) \(id) \(now.state)\(isDiskOnly ? ", disk-only" : "")"
    }

    func apply(_ id: GUID) async throws -> String {
        let node = try #require(nodes[id])
        let outcome = try await host.apply(id)
        try noteDiscarded(now, ancestors)
        now = node.moment
        ancestors = [id] + node.ancestors
        return "apply \(id) \(outcome.way)"
    }

    func delete(_ ids: Set<GUID>) async throws -> String {
        try await host.delete(ids.sorted())
        for id in ids {
            trashed?[id] = nodes[id]
            nodes[id] = nil
        }
        return "delete " + ids.map(\.description).sorted().joined(separator: " ")
    }

    func change(_ id: GUID) async throws -> String {
        let name = "r\(random.next())"
        try await host.change(id, name: CheckpointName(name), notes: "")
        renamed(id, to: name)
        nodes[id]?.notes = nil
        return "rename \(id)"
    }

    /// Takes note of a new name.
    func renamed(_ id: GUID, to name: String) {
        nodes[id]?.name = name
    }

    func reopen() async throws -> String {
        // Who is let go of has no power.
        if now.state == .running { now = Moment(disks: now.disks, word: nil, state: .off) }
        await host.close()
        host = try MachineHost(of: host.folder, hypervisor: hypervisor)
        return "reopen"
    }

    func power() async throws -> String {
        switch (now.state, random.chance(50)) {
        case (.off, _):
            try await host.start()
            (now.state, now.word) = (.running, "(unset)")
        case (.running, true), (.paused, _):
            try await host.save()
            now.state = .saved
        case (.running, false):
            try await host.turnOff()
            (now.state, now.word) = (.off, nil)
        case (.saved, _):
            try await host.start()
            now.state = .running
        }
        return "now \(now.state)"
    }

    private func output(_ line: String) async throws -> String {
        let result = try await host.run(.shell(line))
        try #require(result.exitCode == 0)
        return String(decoding: result.standardOutput, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
    }

    // MARK: What must be true

    /// Compares everything that the files tell with what is known.
    ///
    /// - Parameter sample: how many checkpoints' disks are read; nil for all.
    func check(_ comment: String, sample: Int? = nil) async throws {
        // A merge beside the running machine is waited for, or ended half-way.
        if random.chance(50) {
            try await host.mergeDisks()
            #expect(try UnownedDisks(of: host.folder).next(except: []) == nil, "\(comment)")
        } else {
            await host.stopMergingDisks()
        }
        let record = try MachineRecord(reading: host.folder)
        #expect(Set(record.checkpoints.keys) == Set(nodes.keys), "\(comment)")
        #expect(await host.files.tree == record.tree, "\(comment)")
        #expect(record.tree.now == parent(ancestors), "\(comment)")
        for checkpoint in record.tree.checkpoints {
            let node = try #require(nodes[checkpoint.id], "\(comment)")
            #expect(checkpoint.name.description == node.name && checkpoint.notes == node.notes, "\(comment)")
            #expect(checkpoint.parent == parent(node.ancestors), "\(comment)")
            #expect(checkpoint.hasMemory == (node.moment.word != nil), "\(comment)")
            #expect(record.checkpoints[checkpoint.id]?.checkpoint?.state == node.moment.state, "\(comment)")
        }
        #expect(await host.state == now.state, "\(comment)")
        if now.state == .running { #expect(try await output("get word") == now.word, "\(comment)") }
        try expect(record.now, now, comment, record)
        var ids = nodes.keys.sorted()
        if let sample { ids = Array(ids.shuffled(using: &random).prefix(sample)) }
        for id in ids {
            guard let configuration = record.checkpoints[id], let node = nodes[id] else { continue }
            try expect(configuration, node.moment, "\(comment), checkpoint \(id)", record)
        }
        try checkTrash(record, comment, sample: sample)
    }

    func expect(
        _ configuration: Configuration, _ moment: Moment, _ comment: String, _ record: MachineRecord
    ) throws {
        #expect(configuration.disks.map(\.name) == Self.definition.disks.map(\.name), "\(comment)")
        #expect(configuration.memory == Self.definition.memory.bytes, "\(comment)")
        for (disk, expected) in zip(configuration.disks, moment.disks) {
            let path = try DiskFiles.path(of: disk, machine: record.id, in: host.folder)
            let found = try DiskFiles.open(path, in: host.folder, .readOnly).bytes(at: 0, count: expected.count)
            guard Data(found) != Data(expected) else { continue }
            let sectors = stride(from: 0, to: expected.count, by: 512).filter {
                found[$0..<$0 + 512] != expected[$0..<$0 + 512]
            }
            Issue.record("\(comment): disk \(disk.name): sectors \(sectors.map { $0 / 512 }.prefix(10)) differ")
        }
    }

    /// Reads a disk with 7-Zip, which did not learn it from us.
    func checkOutside(_ comment: String) async throws {
        let record = try MachineRecord(reading: host.folder)
        let (configuration, moment) =
            random.pick(
                record.checkpoints.sorted { $0.key < $1.key }.map { ($0.value, nodes[$0.key]?.moment) },
                or: (record.now, now))
        // It replays no log, which a VHDX that is in use may have, and finds no VHDX's parent in another folder.
        let isInUse = configuration.checkpoint == nil && now.state == .running
        let files = try record.diskFiles(of: configuration)
        let number = random.pick(
            files.indices.filter {
                files[$0].path.extension?.hasSuffix("x") == false || !isInUse && files[$0].chain.count == 1
            }, or: 0)
        let file = files[number]
        let flat = try TemporaryFolder()
        // It knows no folders: a chain must lie in one.
        for link in file.chain {
            let name = link.lastComponent?.string ?? ""
            try FileManager.default.createSymbolicLink(
                atPath: flat.path.appending(name).string, withDestinationPath: link.string)
        }
        let output = flat.path.appending("out")
        let result = try await Tool("7zz").run([
            "e", file.path.extension?.hasSuffix("x") == true ? "-tvhdx" : "-tvhd", "-o\(output)", "-y",
            flat.path.appending(file.path.lastComponent?.string ?? "").string,
        ])
        #expect(result.code == 0, "\(comment): 7zz: \(result.messages)\(result.output)")
        let name = try #require(FileManager.default.contentsOfDirectory(atPath: output.string).first, "\(comment)")
        let bytes = FileManager.default.contents(atPath: output.appending(name).string)
        let isSame = bytes == moment.map { Data($0.disks[number]) }
        #expect(isSame, "\(comment): 7zz reads \(file.path) otherwise")
    }
}

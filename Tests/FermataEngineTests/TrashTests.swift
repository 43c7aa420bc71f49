// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import FermataTestSupport
import Foundation
import StorageTestSupport
import SystemPackage
import Testing

@testable import FermataEngine

/// What is discarded can come back, until it is taken out of the trash.
struct TrashTests {
    @Test(arguments: SeededGenerator.seeds(TreeTests.isLong ? 8 : 1))
    func `what is in the trash stays as it was, and leaves nothing when it goes`(seed: UInt64) async throws {
        let model = try TreeModel(seed: seed, trash: TreeModel.largeBudget)
        var done: [String] = []
        for number in 0..<(TreeTests.isLong ? 300 : 30) {
            done.append(try await model.actWithTrash(atMost: 20))
            let comment = "FERMATA_SEED=\(seed), \(number): \(done.suffix(4).joined(separator: "; "))"
            try await model.check(comment, sample: TreeTests.isLong || number % 10 == 9 ? nil : 2)
        }
        let comment = "FERMATA_SEED=\(seed)"
        while model.now.state != .off { _ = try await model.power() }
        _ = try await model.delete(Set(model.nodes.keys))
        try await model.check("\(comment), all deleted")
        _ = try await model.host.emptyTrash(olderThan: nil, keeping: nil)
        model.trashed = [:]
        try await model.check("\(comment), all gone")
        let record = try MachineRecord(reading: model.host.folder)
        #expect(try record.diskFiles(of: record.now).allSatisfy { $0.chain.count == 1 }, "\(comment)")
        let left = try FileManager.default.subpathsOfDirectory(atPath: model.host.folder.path.string).filter {
            [".vhd", ".vhdx", ".avhd", ".avhdx", ".bin", ".vsv"].contains(where: $0.hasSuffix)
        }
        #expect(left.count == TreeModel.definition.disks.count, "\(comment): \(left)")
        #expect(try FileSystem.entries(of: record.folder.lab.trash(of: record.id)).isEmpty, "\(comment)")
    }

    /// A machine that runs, with the checkpoint `clean` in memory, in a lab with a trash.
    private func running(
        in folder: TemporaryFolder, budget: TrashBudget? = TreeModel.largeBudget
    ) async throws -> (host: MachineHost, clean: GUID) {
        let lab = try LabFolder.create(folder.path.appending("lab"), trash: budget)
        let definition = MachineDefinition(
            name: "web", memory: .mebibytes(1), disks: [.init(name: "system", size: .mebibytes(2))])
        let host = try MachineHost(
            of: lab.createMachine(definition, file: { FilePath($0) }), hypervisor: SimulatedHypervisor())
        try await host.start()
        _ = try await host.run(.shell("set word first; write 0 first"))
        let clean = try await host.checkpoint(CheckpointRequest(name: "clean")).id
        _ = try await host.run(.shell("set word second; write 0 second"))
        return (host, clean)
    }

    private func text(_ host: MachineHost, _ command: String) async throws -> String {
        let output = try await host.run(.shell(command)).standardOutput
        return String(decoding: output, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
    }

    private func entries(_ host: MachineHost) async throws -> [MachineTrash.Entry] {
        try MachineTrash(of: await host.files).entries
    }

    @Test func `a checkpoint with memory comes back while the machine runs, and is that moment`() async throws {
        let folder = try TemporaryFolder()
        let (host, clean) = try await running(in: folder)
        try await host.delete([clean])
        #expect(await host.files.checkpoints.isEmpty)
        #expect(try await entries(host).map(\.name) == ["clean"])
        _ = try await host.checkpoint(CheckpointRequest(name: "clean"))
        await #expect(throws: EngineError.self) { try await host.restoreFromTrash(clean, as: nil) }
        try await host.restoreFromTrash(clean, as: "old")
        let tree = await host.files.tree
        #expect(tree[clean]?.name == "old" && tree.checkpoints.last?.parent == clean)
        _ = try await host.apply(clean)
        #expect(try await text(host, "get word") == "first")
        #expect(try await text(host, "read 0 512") == "first")
        await host.close()
    }

    @Test func `what a machine was comes back as a checkpoint, unless nothing was changed`() async throws {
        let folder = try TemporaryFolder()
        let (host, clean) = try await running(in: folder)
        _ = try await host.revert()
        let now = try #require(try await entries(host).first)
        #expect(now.name.description.hasPrefix("now 20"))
        _ = try await host.revert()
        #expect(try await entries(host).count == 1, "nothing was changed")
        _ = try await host.run(.shell("write 0 third"))
        _ = try await host.revert(toTrash: false)
        #expect(try await entries(host).count == 1, "for good")
        try await host.restoreFromTrash(now.id, as: "lost")
        #expect(await host.files.tree[now.id]?.parent == clean)
        _ = try await host.apply(now.id)
        #expect(await host.state == .off)
        try await host.start()
        #expect(try await text(host, "read 0 512") == "second")
        await host.close()
    }

    @Test func `an entry counts only once the restore has happened`() async throws {
        let folder = try TemporaryFolder()
        var (host, _) = try await running(in: folder)
        _ = try await host.turnOff()
        let id = try await host.enterNowForTest()
        #expect(try await entries(host).isEmpty)
        #expect(FileSystem.exists(host.folder.lab.trashed(id, of: try host.folder.identity())))
        await host.close()
        host = try MachineHost(of: host.folder, hypervisor: SimulatedHypervisor())
        #expect(!FileSystem.exists(host.folder.lab.trashed(id, of: try host.folder.identity())))
        await host.close()
    }

    @Test func `the budget takes the oldest`() async throws {
        let folder = try TemporaryFolder()
        let (host, clean) = try await running(in: folder)
        for number in 0..<3 {
            _ = try await host.run(.shell("write 0 number \(number)"))
            _ = try await host.apply(clean)
        }
        let all = try await entries(host)
        #expect(all.count == 3)
        try host.folder.lab.setTrashBudget(TrashBudget(age: 3600, bytes: all[2].bytes + all[1].bytes))
        _ = try await host.run(.shell("write 0 last"))
        _ = try await host.apply(clean)
        let left = try await entries(host)
        #expect(left.count == 2 && left.first?.id == all[2].id)
        // Nobody waits for an hour: the file's time is when it was discarded.
        let file = host.folder.lab.trashed(left[0].id, of: try host.folder.identity())
        try FileManager.default.setAttributes(
            [.modificationDate: Date(timeIntervalSinceNow: -3700)], ofItemAtPath: file.string)
        _ = try await host.run(.shell("write 0 newest"))
        _ = try await host.apply(clean)
        #expect(try await entries(host).first?.id == left[1].id)
        await host.close()
    }

    @Test func `a lab without a trash keeps nothing`() async throws {
        let folder = try TemporaryFolder()
        let (host, clean) = try await running(in: folder, budget: nil)
        _ = try await host.revert()
        try await host.delete([clean])
        await host.close()
        #expect(try FileSystem.entries(of: host.folder.lab.trash).isEmpty)
        try host.folder.lab.deleteMachine("web")
        #expect(try FileSystem.entries(of: host.folder.lab.trash).isEmpty)
    }

    @Test func `a deleted machine comes back with all that was its own`() async throws {
        let folder = try TemporaryFolder()
        let (host, clean) = try await running(in: folder)
        let id = await host.files.id
        _ = try await host.revert()
        _ = try await host.save()
        await host.close()
        let lab = host.folder.lab
        try lab.deleteMachine("web")
        #expect(try lab.machines().isEmpty)
        let deleted = try #require(try lab.trashedMachines().first)
        #expect(deleted.id == id && deleted.name == "web" && deleted.bytes > 0)
        try lab.removeLeftovers()
        _ = try lab.createMachine(
            MachineDefinition(name: "web", memory: .mebibytes(1), disks: []), file: { FilePath($0) })
        #expect(throws: EngineError.self) { try lab.restoreMachine(deleted) }
        let back = try lab.restoreMachine(deleted, as: "old")
        let again = try MachineHost(of: back, hypervisor: SimulatedHypervisor())
        #expect(await again.files.now.name == "old")
        #expect(try await entries(again).count == 1)
        try await again.start()
        #expect(try await text(again, "get word") == "first")
        _ = try await again.apply(clean)
        await again.close()
        try lab.deleteMachine("old")
        let outcome = try lab.removeTrashedMachines(olderThan: nil, keeping: nil)
        #expect(outcome.count == 1 && outcome.bytes > 0)
        #expect(try FileSystem.entries(of: lab.trash).isEmpty)
    }

    @Test func `a deleted fork comes back, whatever became of its source's checkpoints`() async throws {
        let folder = try TemporaryFolder()
        let (host, clean) = try await running(in: folder)
        let lab = host.folder.lab
        _ = try await host.fork(clean, as: "fork")
        try lab.deleteMachine("fork")
        try await host.delete([clean], toTrash: false)
        try await host.mergeDisks()
        await host.close()
        #expect(throws: EngineError.self) { try lab.deleteMachine("web", toTrash: false) }
        try lab.deleteMachine("web")
        let (fork, web) = (try lab.trashedMachines()[0], try lab.trashedMachines()[1])
        #expect(fork.name == "fork" && web.name == "web")
        #expect(throws: EngineError.self) { try lab.restoreMachine(fork) }
        #expect(try lab.removeTrashedMachines(named: "web", olderThan: nil, keeping: nil).count == 0)
        _ = try lab.restoreMachine(web)
        let back = try MachineHost(of: try lab.restoreMachine(fork), hypervisor: SimulatedHypervisor())
        try await back.start()
        #expect(try await text(back, "get word") == "first")
        #expect(try await text(back, "read 0 512") == "first")
        await back.close()
        try lab.deleteMachine("fork")
        try lab.deleteMachine("web")
        #expect(try lab.removeTrashedMachines(olderThan: nil, keeping: nil).count == 2)
    }

    @Test func `several checkpoints go to the trash at one moment`() async throws {
        let folder = try TemporaryFolder()
        let (host, clean) = try await running(in: folder)
        let second = try await host.checkpoint(CheckpointRequest(name: "second")).id
        let id = await host.files.id
        await host.close()
        // As after a crash right behind the commit.
        try Deletion(of: [clean, second], toTrash: true).commit(of: id, in: host.folder.lab)
        let record = try MachineRecord(reading: host.folder)
        #expect(record.checkpoints.isEmpty)
        #expect(Set(try MachineTrash(of: record).entries.map(\.id)) == [clean, second])
        #expect(try DiskReferences(of: host.folder.lab).needed.count == 3)
        let again = try MachineHost(of: host.folder, hypervisor: SimulatedHypervisor())
        #expect(!FileSystem.exists(host.folder.lab.deletion(of: id)))
        #expect(try await entries(again).count == 2)
        try await again.restoreFromTrash(second, as: nil)
        try await again.restoreFromTrash(clean, as: nil)
        let tree = await again.files.tree
        #expect(tree[second]?.parent == clean && tree.now == second)
        _ = try await again.apply(clean)
        #expect(try await text(again, "get word") == "first")
        await again.close()
    }
}

extension MachineHost {
    /// Leaves what a restore that is killed before its commit leaves.
    fileprivate func enterNowForTest() throws -> GUID { try enterNow() }
}

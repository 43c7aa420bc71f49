// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import FermataModel
import FermataTestSupport
import Foundation
import StorageTestSupport
import Synchronization
import SystemPackage
import Testing

@testable import FermataEngine

/// Disk-only checkpoints hold the disks of a moment in every state, and nothing else.
struct DiskOnlyTests {
    private let folder: TemporaryFolder
    private let host: MachineHost
    private let asked = Asked()

    init() throws {
        folder = try TemporaryFolder()
        let lab = try LabFolder.create(folder.path.appending("lab"))
        let definition = MachineDefinition(
            name: "web", memory: .mebibytes(1),
            disks: [
                .init(name: "system", size: .mebibytes(1)), .init(name: "data", size: .mebibytes(1), format: .vhdx),
            ])
        host = try MachineHost(
            of: try lab.createMachine(definition, file: { FilePath($0) }),
            hypervisor: SimulatedHypervisor(before: asked.note))
    }

    private func write(_ text: String) async throws {
        for disk in 0..<2 { #expect(try await host.run(.shell("write \(disk):512 \(text)")).exitCode == 0) }
    }

    /// The word on both disks, now or at a checkpoint.
    private func words(_ id: GUID?) async throws -> [String] {
        let record = try MachineRecord(reading: host.folder)
        let configuration = try #require(id.map { record.checkpoints[$0] } ?? record.now)
        return try DiskFiles.chains(of: configuration, in: host.folder).map { chain in
            String(decoding: try chain.bytes(at: 512, count: 16).prefix { $0 != 0 }, as: UTF8.self)
        }
    }

    private func diskOnly(_ name: CheckpointName) async throws -> CheckpointOutcome {
        try await host.checkpoint(CheckpointRequest(name: name, kind: .diskOnly))
    }

    @Test(arguments: MachineState.allCases)
    func `in every state the disks are held, the state stays, and applying ends off`(state: MachineState) async throws {
        try await host.start()
        try await write("held")
        _ = try await host.run(.shell("set word kept"))
        switch state {
        case .off: try await host.turnOff()
        case .paused: try await host.pause()
        case .saved: try await host.save()
        case .running: break
        }
        asked.forget()
        let outcome = try await diskOnly("disks")
        #expect(asked.requests.isDisjoint(with: [.saveDevices, .readMemory, .changedPages, .launch]))
        #expect(asked.requests.contains(.resume) == (state == .running))
        #expect(await host.state == state)
        let record = try MachineRecord(reading: host.folder)
        let checkpoint = try #require(record.tree[outcome.id])
        #expect(checkpoint.kind == .diskOnly && !checkpoint.hasMemory)
        #expect(record.tree.now == outcome.id)
        #expect(try FileSystem.entries(of: host.folder.memoryFolder(outcome.id)).isEmpty)
        #expect(try await words(outcome.id) == ["held", "held"])

        // The machine goes on with its memory, and what it writes now is none of the checkpoint's.
        switch state {
        case .off, .saved: try await host.start()
        case .paused: try await host.resume()
        case .running: break
        }
        if state != .off {
            let result = try await host.run(.shell("get word"))
            #expect(String(decoding: result.standardOutput, as: UTF8.self) == "kept\n")
        }
        try await write("later")
        #expect(try await words(outcome.id) == ["held", "held"])
        let restored = try await host.apply(outcome.id)
        #expect(restored.way == .off)
        #expect(await host.state == .off)
        #expect(try await words(nil) == ["held", "held"])
        await host.close()
    }

    @Test func `a machine goes back in place past a disk-only checkpoint, to one that has its memory`() async throws {
        try await host.start()
        _ = try await host.run(.shell("set word first"))
        let hot = try await host.checkpoint(CheckpointRequest(name: "hot")).id
        try await write("two")
        _ = try await diskOnly("disks")
        _ = try await host.run(.shell("set word second"))
        _ = try await host.apply(hot)
        let result = try await host.run(.shell("get word"))
        #expect(String(decoding: result.standardOutput, as: UTF8.self) == "first\n")
        #expect(try await words(nil) == ["", ""])
        await host.close()
    }

    @Test(arguments: [SimulatedHypervisor.Request.stop, .resume])
    func `one that fails leaves no checkpoint`(request: SimulatedHypervisor.Request) async throws {
        try await host.start()
        try await write("held")
        asked.fail(request)
        await #expect(throws: (any Error).self) { try await diskOnly("disks") }
        asked.fail(nil)
        #expect(try MachineRecord(reading: host.folder).checkpoints.isEmpty)
        // Before the disks are swapped it goes on, after that it is off; the disks are there either way.
        #expect(await host.state == (request == .stop ? .running : .off))
        #expect(try await words(nil) == ["held", "held"])
        await host.close()
    }

    @Test func `a production checkpoint is refused, and nothing changes`() async throws {
        let before = try FileManager.default.subpathsOfDirectory(atPath: folder.path.string).sorted()
        let error = await #expect(throws: EngineError.self) {
            try await host.checkpoint(CheckpointRequest(name: "calm", kind: .production))
        }
        #expect(error?.description.contains("make a standard or a disk-only one") == true)
        #expect(try FileManager.default.subpathsOfDirectory(atPath: folder.path.string).sorted() == before)
        await host.close()
    }
}

/// What a hypervisor was asked for, and what of it fails.
private final class Asked: Sendable {
    private let state = Mutex<(requests: Set<SimulatedHypervisor.Request>, failing: SimulatedHypervisor.Request?)>(
        ([], nil))

    var requests: Set<SimulatedHypervisor.Request> { state.withLock { $0.requests } }

    func forget() { state.withLock { $0.requests = [] } }

    func fail(_ request: SimulatedHypervisor.Request?) { state.withLock { $0.failing = request } }

    @Sendable func note(_ request: SimulatedHypervisor.Request) throws {
        let fails = state.withLock { state in
            state.requests.insert(request)
            return state.failing == request
        }
        if fails { throw HypervisorError.injected }
    }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import FermataTestSupport
import Foundation
import StorageTestSupport
import Synchronization
import SystemPackage
import Testing

@testable import FermataEngine

struct RestoreInPlaceTests {
    /// A machine whose guest runs in memory, restored in place whenever that is possible.
    private static func running(
        in folder: TemporaryFolder, _ hypervisor: any Hypervisor = SimulatedHypervisor()
    ) async throws -> MachineHost {
        let lab = try LabFolder.create(folder.path.appending("lab"))
        let definition = MachineDefinition(
            name: "web", memory: .mebibytes(1), disks: [.init(name: "system", size: .mebibytes(1))])
        let host = try MachineHost(
            of: try lab.createMachine(definition, file: { FilePath($0) }), hypervisor: hypervisor,
            settings: HostSettings(restoreWay: .inPlace))
        try await host.start()
        return host
    }

    private static func output(of line: String, _ host: MachineHost) async throws -> String {
        let result = try await host.run(.shell(line))
        return String(decoding: result.standardOutput, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
    }

    private func names(in folder: TemporaryFolder) throws -> [String] {
        try FileManager.default.subpathsOfDirectory(atPath: folder.path.string).sorted()
    }

    @Test func `pages that change until the pause come back, too`() async throws {
        let folder = try TemporaryFolder()
        let late = LateChange()
        let host = try await Self.running(in: folder, late)
        _ = try await Self.output(of: "set word before", host)
        let clean = try await host.checkpoint(CheckpointRequest(name: "clean"))
        for _ in 0..<3 {
            _ = try await Self.output(of: "set word after", host)
            late.hideOnce()
            let outcome = try await host.apply(clean.id)
            #expect(outcome.way == .inPlace)
            #expect(outcome.pauseMicroseconds ?? -1 >= 0)
            #expect(try await Self.output(of: "get word", host) == "before")
        }
        #expect(late.hidden.withLock { $0 } >= 3)
        try await host.turnOff()
    }

    @Test func `a checkpoint whose pages were damaged since is refused, and the machine runs on`() async throws {
        let folder = try TemporaryFolder()
        let host = try await Self.running(in: folder)
        _ = try await Self.output(of: "set word before", host)
        let clean = try await host.checkpoint(CheckpointRequest(name: "clean"))
        _ = try await host.apply(clean.id)
        _ = try await Self.output(of: "set word after", host)
        let image = host.folder.memoryImage(clean.id)
        let file = try FileDescriptor.open(image, .readWrite)
        try file.writeAll(toAbsoluteOffset: Int64(MemoryImage.headerSize) + 100, [0xDE, 0xAD])
        try file.close()
        let before = try names(in: folder)
        let error = await #expect(throws: EngineError.self) { try await host.apply(clean.id) }
        #expect(error?.code == .damaged)
        #expect(try names(in: folder) == before)
        #expect(try await Self.output(of: "get word", host) == "after")
        try await host.turnOff()
    }
}

/// A hypervisor whose machines change pages at the last moment: of those that are changed, the next look shows only
/// every other.
private final class LateChange: Hypervisor {
    private let hypervisor = SimulatedHypervisor()
    fileprivate let hides = Mutex(false)
    fileprivate let hidden = Mutex(0)

    /// Hides pages from the next look.
    func hideOnce() {
        hides.withLock { $0 = true }
    }

    func launch(_ launch: Launch) async throws -> any VirtualMachine {
        LateMachine(machine: try await hypervisor.launch(launch), change: self)
    }
}

private struct LateMachine: VirtualMachine {
    let machine: any VirtualMachine
    let change: LateChange

    var isHeld: Bool { machine.isHeld }
    var ownFlushes: (inStop: Int, inSave: Int) { machine.ownFlushes }
    var traits: MachineTraits { machine.traits }
    var events: AsyncStream<VirtualMachineEvent> { machine.events }
    var console: ByteChannel { machine.console }
    var agent: ByteChannel { machine.agent }
    var disks: [any GuestDisk] { machine.disks }

    func stop() async throws -> HypervisorTime { try await machine.stop() }
    func resume() async throws -> HypervisorTime { try await machine.resume() }
    func holdsAgentOutput() async throws -> Bool { try await machine.holdsAgentOutput() }
    func saveDevices() async throws -> [UInt8] { try await machine.saveDevices() }
    func loadDevices(_ state: [UInt8]) async throws { try await machine.loadDevices(state) }
    func pressPowerButton() async throws { try await machine.pressPowerButton() }
    func reset() async throws { try await machine.reset() }
    func kill() async { await machine.kill() }

    func changedPages() throws -> [PageRun] {
        let all = try machine.changedPages()
        let hides = change.hides.withLock { hides in
            defer { hides = false }
            return hides
        }
        guard hides else { return all }
        let shown = all.enumerated().filter { $0.offset % 2 == 1 }.map(\.element)
        change.hidden.withLock { $0 += all.count - shown.count }
        return shown
    }

    func readMemory(_ runs: [PageRun], into buffer: UnsafeMutableRawBufferPointer) throws {
        try unsafe machine.readMemory(runs, into: buffer)
    }

    func writeMemory(_ runs: [PageRun], from buffer: UnsafeRawBufferPointer) throws {
        try unsafe machine.writeMemory(runs, from: buffer)
    }
}

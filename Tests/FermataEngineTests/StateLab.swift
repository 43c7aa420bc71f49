// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import FermataTestSupport
import Foundation
import StorageTestSupport
import Synchronization
import SystemPackage

@testable import FermataEngine

/// A machine of the simulated hypervisor with a checkpoint of each state, in a lab of its own.
final class StateLab {
    let folder: TemporaryFolder
    let hypervisor: SimulatedHypervisor
    let settings: HostSettings
    private(set) var host: MachineHost
    /// The checkpoints by the states that they hold.
    private(set) var checkpoints: [MachineState: GUID] = [:]
    /// What the variable `word` is in all of them that have memory.
    let word = "held"

    init(
        _ way: HostSettings.RestoreWay,
        before: @escaping @Sendable (SimulatedHypervisor.Request) throws -> Void = { _ in }
    ) async throws {
        folder = try TemporaryFolder()
        hypervisor = SimulatedHypervisor(before: before)
        settings = HostSettings(restoreWay: way)
        let lab = try LabFolder.create(folder.path.appending("lab"))
        let definition = MachineDefinition(
            name: "web", memory: .mebibytes(1), disks: [.init(name: "system", size: .mebibytes(1))])
        host = try MachineHost(
            of: try lab.createMachine(definition, file: { FilePath($0) }), hypervisor: hypervisor, settings: settings)
    }

    /// Lets go of the machine, and takes hold of it again.
    func reopen() async throws {
        await host.close()
        host = try MachineHost(of: host.folder, hypervisor: hypervisor, settings: settings)
    }

    /// Makes the checkpoints, and leaves the machine in a state, now grown from that state's checkpoint.
    func bring(to state: MachineState) async throws {
        func hold(_ state: MachineState) async throws {
            checkpoints[state] = try await host.checkpoint(CheckpointRequest(name: CheckpointName("\(state)"))).id
        }
        try await hold(.off)
        try await host.start()
        _ = try await output("set word \(word)")
        guard state != .running || !checkpoints.isEmpty else { return }
        try await hold(.running)
        try await host.pause()
        try await hold(.paused)
        try await host.save()
        try await hold(.saved)
        switch state {
        case .saved: break
        case .off: _ = try await host.apply(checkpoints[.off] ?? .random())
        case .running, .paused: _ = try await host.apply(checkpoints[state] ?? .random())
        }
    }

    func perform(_ request: StateTests.Request) async throws {
        func checkpoint(_ state: MachineState) -> GUID { checkpoints[state] ?? .random() }
        switch request {
        case .start: try await host.start()
        case .pause: try await host.pause()
        case .resume: try await host.resume()
        case .save: try await host.save()
        case .reset: try await host.reset()
        case .shutDown: try await host.shutDown(within: .minutes(1))
        case .turnOff: try await host.turnOff()
        case .checkpoint: _ = try await host.checkpoint(CheckpointRequest(name: "another"))
        case .delete: try await host.delete([checkpoint(.paused)])
        case .command: _ = try await output("get word")
        case .applyOff: _ = try await host.apply(checkpoint(.off))
        case .applyRunning: _ = try await host.apply(checkpoint(.running))
        case .applyPaused: _ = try await host.apply(checkpoint(.paused))
        case .applySaved: _ = try await host.apply(checkpoint(.saved))
        case .applyRunningPaused: _ = try await host.apply(checkpoint(.running), ending: .paused)
        case .applyRunningOff: _ = try await host.apply(checkpoint(.running), ending: .off)
        case .revert: _ = try await host.revert()
        }
    }

    func output(_ line: String) async throws -> String {
        let result = try await host.run(.shell(line))
        return String(decoding: result.standardOutput, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// The names and contents of all files of the machine.
    func digest() throws -> [String: Data] {
        let path = host.folder.path.string
        var files: [String: Data] = [:]
        for name in try FileManager.default.subpathsOfDirectory(atPath: path) {
            files[name] = FileManager.default.contents(atPath: "\(path)/\(name)") ?? Data()
        }
        return files
    }
}

/// Lets one kind of request fail.
final class Failing: Sendable {
    let request = Mutex<SimulatedHypervisor.Request?>(nil)

    @Sendable func check(_ request: SimulatedHypervisor.Request) throws {
        if self.request.withLock({ $0 == request }) { throw HypervisorError.injected }
    }
}

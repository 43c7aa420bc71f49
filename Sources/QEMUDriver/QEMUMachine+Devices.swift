// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataEngine
import Glibc
import QMP
import Synchronization
import SystemPackage

extension QEMUMachine {
    func holdsAgentOutput() async throws -> Bool {
        let (device, queue) = (CommandLine.portsPath, CommandLine.agentOutputQueue)
        return try await asking { monitor throws(QMPError) in
            try await monitor.elementsInUse(of: device, queue: queue)
        } > 0
    }

    func saveDevices() async throws -> [UInt8] {
        try requireHeld("its devices can be saved")
        guard unknownBlocks.isEmpty else {
            let names = unknownBlocks.map { "'\($0)'" }.joined(separator: ", ")
            throw HypervisorError(
                .refused,
                "Machine '\(name)' has memory that cannot be brought back (\(names)), so its state cannot be saved.")
        }
        do throws(Errno) {
            try MemoryFile.rewind(parts.saving.written)
        } catch {
            throw HypervisorError(.failed, "The devices of machine '\(name)' cannot be saved: \(error).")
        }
        try await asking { monitor throws(QMPError) in try await monitor.saveDevices(to: CommandLine.savePath) }
        let state: [UInt8]
        do throws(Errno) {
            state = try MemoryFile.contents(of: parts.saving.read)
        } catch {
            throw HypervisorError(.failed, "The saved devices of machine '\(name)' cannot be read: \(error).")
        }
        guard !state.isEmpty else {
            throw HypervisorError(.failed, "QEMU saved no devices of machine '\(name)'.")
        }
        return state
    }

    func loadDevices(_ state: [UInt8]) async throws {
        try requireHeld("its devices can be loaded")
        let fits: Bool
        do throws(Errno) {
            fits = try parts.loading.put(state)
        } catch {
            throw HypervisorError(.failed, "A state of machine '\(name)' cannot be handed to QEMU: \(error).")
        }
        if !fits { try await makeRoom(for: state) }
        try await asking { monitor throws(QMPError) in
            try await monitor.loadSnapshot(StateFile.tag, node: CommandLine.stateNode)
        }
    }

    /// Gives QEMU a larger file for the state.
    private func makeRoom(for state: [UInt8]) async throws(HypervisorError) {
        let file: StateFile
        do throws(Errno) {
            file = try StateFile(room: state.count)
            try file.put(state)
        } catch {
            throw HypervisorError(.failed, "A state of machine '\(name)' cannot be handed to QEMU: \(error).")
        }
        let old = parts.loading.descriptorSet
        let set = try await asking { monitor throws(QMPError) in
            try await monitor.removeBlockNode(CommandLine.stateNode)
            try await monitor.removeDescriptors(old)
            let set = try await monitor.addDescriptor(file.descriptor.file)
            try await monitor.addBlockNode(CommandLine.stateNodeOptions("/dev/fdset/\(set)"))
            return set
        }
        parts.loading.replace(file, descriptorSet: set)
    }
}

/// The file from which QEMU loads states now.
final class Loading: Sendable {
    private let state: Mutex<(file: StateFile, descriptorSet: Int64)>

    init(_ file: StateFile) {
        state = Mutex((file, 2))
    }

    var descriptorSet: Int64 { state.withLock { $0.descriptorSet } }

    /// Puts a state in, if there is room for it.
    func put(_ bytes: [UInt8]) throws(Errno) -> Bool {
        try state.withLock { state throws(Errno) in
            guard bytes.count <= state.file.capacity else { return false }
            try state.file.put(bytes)
            return true
        }
    }

    func replace(_ file: StateFile, descriptorSet: Int64) {
        state.withLock { $0 = (file, descriptorSet) }
    }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import FermataEngine
import Synchronization

/// A hypervisor that does one thing of a restore wrong, so that a proof of exactness has something to find.
final class Sabotage: Hypervisor {
    /// What is done wrong from the moment it is chosen.
    enum Fault: Sendable {
        /// Guest memory is left as it is.
        case memoryNotWritten
        /// The disks are left as they are.
        case disksNotSwapped
        /// The devices are left as they are.
        case devicesNotLoaded
        /// One page, the one that holds these bytes, is left as it is.
        case stalePage(marker: [UInt8])
    }

    private let hypervisor: any Hypervisor
    fileprivate let fault = Mutex<Fault?>(nil)

    init(_ hypervisor: any Hypervisor) {
        self.hypervisor = hypervisor
    }

    /// Chooses what goes wrong from now on.
    func choose(_ fault: Fault?) {
        self.fault.withLock { $0 = fault }
    }

    func launch(_ launch: Launch) async throws -> any VirtualMachine {
        SabotagedMachine(machine: try await hypervisor.launch(launch), sabotage: self)
    }

    fileprivate var current: Fault? { fault.withLock { $0 } }
}

private struct SabotagedMachine: VirtualMachine {
    let machine: any VirtualMachine
    let sabotage: Sabotage

    var traits: MachineTraits { machine.traits }
    var isHeld: Bool { machine.isHeld }
    var ownFlushes: (inStop: Int, inSave: Int) { machine.ownFlushes }
    var events: AsyncStream<VirtualMachineEvent> { machine.events }
    var console: ByteChannel { machine.console }
    var agent: ByteChannel { machine.agent }
    var disks: [any GuestDisk] { machine.disks.map { SabotagedDisk(disk: $0, sabotage: sabotage) } }

    func stop() async throws -> HypervisorTime { try await machine.stop() }
    func resume() async throws -> HypervisorTime { try await machine.resume() }
    func holdsAgentOutput() async throws -> Bool { try await machine.holdsAgentOutput() }
    func saveDevices() async throws -> [UInt8] { try await machine.saveDevices() }
    func changedPages() throws -> [PageRun] { try machine.changedPages() }
    func pressPowerButton() async throws { try await machine.pressPowerButton() }
    func reset() async throws { try await machine.reset() }
    func kill() async { await machine.kill() }

    func loadDevices(_ state: [UInt8]) async throws {
        if case .devicesNotLoaded = sabotage.current { return }
        try await machine.loadDevices(state)
    }

    func readMemory(_ runs: [PageRun], into buffer: UnsafeMutableRawBufferPointer) throws {
        try unsafe machine.readMemory(runs, into: buffer)
    }

    func writeMemory(_ runs: [PageRun], from buffer: UnsafeRawBufferPointer) throws {
        switch sabotage.current {
        case .memoryNotWritten: return
        case .stalePage(let marker):
            var offset = 0
            for run in runs {
                for page in run.first..<run.first + run.count {
                    let part = unsafe UnsafeRawBufferPointer(rebasing: buffer[offset..<offset + PageRun.pageSize])
                    offset += PageRun.pageSize
                    let single = [PageRun(first: page, count: 1)]
                    var content = [UInt8](repeating: 0, count: PageRun.pageSize)
                    try unsafe content.withUnsafeMutableBytes { try unsafe machine.readMemory(single, into: $0) }
                    if content.starts(with: marker) { continue }
                    try unsafe machine.writeMemory(single, from: part)
                }
            }
        default: try unsafe machine.writeMemory(runs, from: buffer)
        }
    }
}

private struct SabotagedDisk: GuestDisk {
    let disk: any GuestDisk
    let sabotage: Sabotage

    var name: String { disk.name }
    var heldFlushes: Int { disk.heldFlushes }
    func holdFlushes(limit: Duration) async -> Bool { await disk.holdFlushes(limit: limit) }
    func release(behind barrier: (@Sendable () throws -> Void)?) { disk.release(behind: barrier) }

    func replace(with device: any BlockDevice) throws {
        if case .disksNotSwapped = sabotage.current { return }
        try disk.replace(with: device)
    }

    func exchange(for make: @escaping @Sendable () throws -> any BlockDevice) async throws {
        try await disk.exchange(for: make)
    }
}

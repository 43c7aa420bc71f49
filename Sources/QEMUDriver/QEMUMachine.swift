// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataEngine
import Glibc
import NBD
import QMP
import Synchronization
import SystemPackage

/// A machine as a process of QEMU.
final class QEMUMachine: VirtualMachine {
    let traits: MachineTraits
    let events: AsyncStream<VirtualMachineEvent>
    let console: ByteChannel
    let agent: ByteChannel
    var disks: [any GuestDisk] { parts.disks }

    let name: String
    let process: QEMUProcess
    let memory: GuestMemory
    let parts: Parts
    /// The blocks of memory that nobody knows how to restore.
    let unknownBlocks: [String]
    /// The moment of the launch: until the first resume, the machine has been held since then.
    private let launched: HypervisorTime
    /// Ends when the process is gone, its threads are joined and the last event is sent.
    private let ending: Task<Void, Never>
    private let story: Story

    /// What this process keeps for the machine's.
    struct Parts: Sendable {
        var disks: [ServedDisk]
        var server: NBDServer
        var saving: Saving
        var loading: Loading
    }

    /// The file in memory to which QEMU writes states.
    struct Saving: Sendable {
        /// QEMU has this descriptor, too, and with it its position.
        var written: Descriptor
        var read: Descriptor
    }

    init(
        _ launch: Launch, _ traits: MachineTraits, _ process: QEMUProcess, _ memory: GuestMemory, _ parts: Parts,
        _ unknownBlocks: [String], console: ByteChannel, agent: ByteChannel
    ) {
        name = launch.name
        self.traits = traits
        self.process = process
        self.memory = memory
        self.parts = parts
        self.unknownBlocks = unknownBlocks
        self.console = console
        self.agent = agent
        launched = .now
        let (events, continuation) = AsyncStream<VirtualMachineEvent>.makeStream()
        self.events = events
        let story = Story(diskNames: launch.disks.map(\.name))
        self.story = story
        let (monitorEvents, child, log, name) = (process.monitor.events, process.child, process.log, launch.name)
        // QEMU waits for each disk's FLUSH after it has said that the processors stand, before it answers the stop.
        process.monitor.observe("STOP") { [disks = parts.disks] in
            for disk in disks { disk.guestStands() }
        }
        ending = Task.detached {
            for await event in monitorEvents {
                for own in story.tell(event) { continuation.yield(own) }
            }
            let exit = await child.exit()
            continuation.yield(.ended(story.isExpectedToEnd ? nil : log.reason(of: name, exit)))
            continuation.finish()
        }
    }

    // MARK: Power

    /// One in the stop and one in the save of the devices, as counted on QEMU 7.2; other versions are not trusted to.
    var ownFlushes: (inStop: Int, inSave: Int) { traits.hypervisor.hasPrefix("QEMU 7.2") ? (1, 1) : (0, 0) }

    func stop() async throws -> HypervisorTime {
        // A machine that stands already says nothing more.
        if isHeld { for disk in parts.disks { disk.guestStands() } }
        try await asking { monitor throws(QMPError) in try await monitor.stop() }
        return time(of: "STOP")
    }

    func resume() async throws -> HypervisorTime {
        try await asking { monitor throws(QMPError) in try await monitor.resume() }
        return time(of: "RESUME")
    }

    func pressPowerButton() async throws {
        try await asking { monitor throws(QMPError) in try await monitor.powerDown() }
    }

    func reset() async throws {
        try await asking { monitor throws(QMPError) in try await monitor.reset() }
    }

    func kill() async {
        story.expectEnd()
        await process.end()
        await ending.value
    }

    /// Whether the processors stand.
    var isHeld: Bool {
        guard let resumed = process.monitor.lastEvent("RESUME") else { return true }
        return process.monitor.lastEvent("STOP").map { $0.number > resumed.number } ?? false
    }

    private func time(of event: String) -> HypervisorTime {
        process.monitor.lastEvent(event).map { HypervisorTime(microseconds: $0.microseconds) } ?? launched
    }

    // MARK: Memory

    func changedPages() throws -> [PageRun] {
        try memory.changedPages()
    }

    func readMemory(_ runs: [PageRun], into buffer: UnsafeMutableRawBufferPointer) throws {
        try unsafe memory.read(runs, into: buffer)
    }

    func writeMemory(_ runs: [PageRun], from buffer: UnsafeRawBufferPointer) throws {
        try requireHeld("its memory can be written")
        try unsafe memory.write(runs, from: buffer)
    }

    // MARK: Asking

    /// Asks the monitor, with errors as a machine's.
    func asking<Result: Sendable>(
        _ question: (QMPClient) async throws(QMPError) -> Result
    ) async throws(HypervisorError) -> Result {
        do throws(QMPError) {
            return try await question(process.monitor)
        } catch {
            throw process.translate(error)
        }
    }

    func requireHeld(_ purpose: String) throws(HypervisorError) {
        guard isHeld else {
            throw HypervisorError(.refused, "Machine '\(name)' is running; it must be stopped before \(purpose).")
        }
    }
}

extension HypervisorTime {
    static var now: HypervisorTime {
        var moment = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &moment)
        return HypervisorTime(microseconds: Int64(moment.tv_sec) * 1_000_000 + Int64(moment.tv_nsec) / 1000)
    }
}

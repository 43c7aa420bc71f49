// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

internal import Dispatch
public import FermataEngine
internal import Foundation
internal import Glibc
internal import Synchronization
internal import SystemPackage

/// A machine of the simulated hypervisor.
///
/// The gate is the processors: the guest acts only while it holds it, and ``stop()`` takes it away.
public final class SimulatedMachine: VirtualMachine {
    struct State {
        var memory: [UInt8]
        /// The pages that were ever written, as those of a private mapping.
        var written: Set<Int> = []
        var hasBooted = false
        var isHeld = true
        var hasEnded = false
    }

    /// What a saved state must have in common with it.
    public let traits: MachineTraits
    /// What happens to it by itself.
    public let events: AsyncStream<VirtualMachineEvent>
    /// The guest's console.
    public let console: ByteChannel
    /// The port of the guest's agent.
    public let agent: ByteChannel
    let guestDisks: [SimulatedDisk]
    let state: Mutex<State>
    let hypervisor: SimulatedHypervisor
    private let gate = DispatchSemaphore(value: 0)
    private let continuation: AsyncStream<VirtualMachineEvent>.Continuation

    init(_ launch: Launch, _ hypervisor: SimulatedHypervisor) throws {
        (events, continuation) = AsyncStream.makeStream()
        console = try ByteChannel()
        agent = try ByteChannel()
        guestDisks = launch.disks.map { SimulatedDisk($0) }
        self.hypervisor = hypervisor
        state = Mutex(State(memory: Array(try Data(contentsOf: URL(fileURLWithPath: launch.memoryImage.string)))))
        traits = MachineTraits(
            hypervisor: "simulated 1", accelerator: "none", machineType: "simulated", processor: "simulated",
            processors: launch.hardware.processors, memory: launch.hardware.memory,
            devices: launch.disks.map(\.name).joined(separator: ","))
    }

    /// The disks.
    public var disks: [any GuestDisk] { guestDisks }

    /// Whether the processors stand.
    public var isHeld: Bool { state.withLock { $0.isHeld } }

    /// Whether its process is gone.
    public var hasEnded: Bool { state.withLock { $0.hasEnded } }

    func startReading() {
        let guest = SimulatedGuest(machine: self)
        Thread.detachNewThread { guest.read() }
    }

    /// Lets the guest act, unless the processors are held; then it waits.
    func act(_ body: () -> Void) {
        gate.wait()
        defer { gate.signal() }
        if !hasEnded { body() }
    }

    /// Sends what the guest writes; a channel that has ended takes it silently.
    func send(_ bytes: [UInt8], to channel: ByteChannel) {
        var sent = 0
        while sent < bytes.count {
            let count = unsafe bytes.withUnsafeBytes { buffer in
                unsafe Glibc.send(
                    channel.guestEnd.rawValue, buffer.baseAddress?.advanced(by: sent), bytes.count - sent,
                    CInt(MSG_NOSIGNAL))
            }
            guard count > 0 else { return }
            sent += count
        }
    }

    /// Waits until something has come for the guest's agent; false once the machine has ended.
    ///
    /// Nothing is taken out: what a held machine has not read, the host can take back.
    func waitForInput() -> Bool {
        var waiting = pollfd(fd: agent.guestEnd.rawValue, events: Int16(POLLIN), revents: 0)
        _ = unsafe poll(&waiting, 1, -1)
        return !hasEnded
    }

    /// What has come for the guest's agent.
    func receive() -> [UInt8] {
        var buffer = [UInt8](repeating: 0, count: 65536)
        let count = unsafe buffer.withUnsafeMutableBytes {
            unsafe recv(agent.guestEnd.rawValue, $0.baseAddress, $0.count, CInt(MSG_DONTWAIT))
        }
        return Array(buffer.prefix(max(0, count)))
    }

    private func takeGate() { gate.wait() }

    private func now() -> HypervisorTime {
        HypervisorTime(microseconds: Int64(Date().timeIntervalSince1970 * 1_000_000))
    }

    /// Holds the processors.
    public func stop() async throws -> HypervisorTime {
        try hypervisor.before(.stop)
        if !state.withLock({ $0.isHeld }) {
            takeGate()
            state.withLock { $0.isHeld = true }
        }
        return now()
    }

    /// Lets the processors run; the first time the guest boots.
    public func resume() async throws -> HypervisorTime {
        try hypervisor.before(.resume)
        let (isFirst, wasHeld) = state.withLock { state in
            defer { (state.hasBooted, state.isHeld) = (true, false) }
            return (!state.hasBooted, state.isHeld)
        }
        if isFirst { SimulatedGuest(machine: self).boot() }
        if wasHeld { gate.signal() }
        return now()
    }

    /// None: a simulated machine flushes nothing by itself.
    public var ownFlushes: (inStop: Int, inSave: Int) { (0, 0) }

    /// Nothing: the channel has room for all that the guest says.
    public func holdsAgentOutput() async throws -> Bool { false }

    /// The devices: whether the guest has booted.
    public func saveDevices() async throws -> [UInt8] {
        try hypervisor.before(.saveDevices)
        return state.withLock { [$0.hasBooted ? 1 : 0] }
    }

    /// Puts the devices in place.
    public func loadDevices(_ devices: [UInt8]) async throws {
        try hypervisor.before(.loadDevices)
        state.withLock { $0.hasBooted = devices == [1] }
    }

    /// The pages that were ever written.
    public func changedPages() throws -> [PageRun] {
        try hypervisor.before(.changedPages)
        return state.withLock { $0.written.sorted().map { PageRun(first: $0, count: 1) } }
    }

    /// Copies pages out.
    public func readMemory(_ runs: [PageRun], into buffer: UnsafeMutableRawBufferPointer) throws {
        try hypervisor.before(.readMemory)
        state.withLock { state in
            var offset = 0
            for run in runs {
                let start = run.first * PageRun.pageSize
                unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[offset..<offset + run.byteCount])
                    .copyBytes(from: state.memory[start..<start + run.byteCount])
                offset += run.byteCount
            }
        }
    }

    /// Copies pages in.
    public func writeMemory(_ runs: [PageRun], from buffer: UnsafeRawBufferPointer) throws {
        try hypervisor.before(.writeMemory)
        state.withLock { state in
            var offset = 0
            for run in runs {
                let start = run.first * PageRun.pageSize
                unsafe state.memory.replaceSubrange(
                    start..<start + run.byteCount, with: buffer[offset..<offset + run.byteCount])
                state.written.formUnion(run.first..<run.first + run.count)
                offset += run.byteCount
            }
        }
    }

    /// Presses the power button.
    public func pressPowerButton() async throws {
        try hypervisor.before(.pressPowerButton)
        if hypervisor.obeysPowerButton { end(.poweredOff, nil) }
    }

    /// Boots the guest again.
    public func reset() async throws {
        continuation.yield(.restarted)
        SimulatedGuest(machine: self).boot()
    }

    /// Ends the machine.
    public func kill() async {
        end(nil, nil)
    }

    func end(_ event: VirtualMachineEvent?, _ reason: String?) {
        guard
            state.withLock({ state in
                defer { state.hasEnded = true }
                return !state.hasEnded
            })
        else { return }
        if let event { continuation.yield(event) }
        continuation.yield(.ended(reason))
        continuation.finish()
        console.shutDown()
        agent.shutDown()
        // A guest that waits for the processors ends, too.
        gate.signal()
    }
}

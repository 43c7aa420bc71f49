// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

public import BlockStorage

/// A machine's process, as the engine holds it.
///
/// ```
///             resume()                    guest powers off, kill(), the process dies
///   held ───────────────► running ──────────────────────────────────────────────────► ended
///    ▲                       │
///    └────── stop() ─────────┘
/// ```
/// While it is held: memory can be read and written, devices saved and loaded, disks replaced.
public protocol VirtualMachine: Sendable {
    /// What a saved state must have in common with this process to be loaded into it.
    var traits: MachineTraits { get }

    /// What happens to the machine by itself, in order; ends with ``VirtualMachineEvent/ended(_:)``. For one reader.
    var events: AsyncStream<VirtualMachineEvent> { get }

    /// The guest's first serial line.
    var console: ByteChannel { get }

    /// The port on which commands reach the guest.
    var agent: ByteChannel { get }

    /// The disks, in the guest's order.
    var disks: [any GuestDisk] { get }

    /// How many FLUSHes of its own the hypervisor surely sends to each disk in a stop, and while it saves devices.
    ///
    /// What comes beyond them may be the guest's; 0 where nobody has counted.
    var ownFlushes: (inStop: Int, inSave: Int) { get }

    /// Whether the processors stand, be it because they were held or because a disk failed.
    var isHeld: Bool { get }

    /// Holds the processors; of a machine that stands nothing changes.
    ///
    /// - Returns: the moment at which the hypervisor says that it stopped.
    func stop() async throws -> HypervisorTime

    /// Lets the processors run.
    ///
    /// - Returns: the moment at which the hypervisor says that it went on.
    func resume() async throws -> HypervisorTime

    /// Whether a device still holds output of the guest that the agent's channel has had no room for; only while held.
    ///
    /// Such a device does not come back whole from its saved state.
    func holdsAgentOutput() async throws -> Bool

    /// The state of all devices and processors, without memory; only while held.
    func saveDevices() async throws -> [UInt8]

    /// Puts a state of all devices and processors in place; only while held, after memory is in place.
    ///
    /// After an error the process is of no use and must be killed.
    func loadDevices(_ state: [UInt8]) async throws

    /// The runs of memory pages that differ from the mapped image, in order; an estimate while the machine runs.
    func changedPages() throws -> [PageRun]

    /// Copies the runs, one after another, to the buffer, whose size is the sum of theirs.
    func readMemory(_ runs: [PageRun], into buffer: UnsafeMutableRawBufferPointer) throws

    /// Copies the buffer, whose size is the sum of the runs', to the runs, one after another; only while held.
    func writeMemory(_ runs: [PageRun], from buffer: UnsafeRawBufferPointer) throws

    /// Presses the power button.
    func pressPowerButton() async throws

    /// Resets the machine as its reset button does.
    func reset() async throws

    /// Ends the process at once, and returns when it is gone.
    func kill() async
}

/// A disk of a running machine, as the engine holds it.
///
/// ```
///             holdFlushes()         the machine stands        release(behind:)
///   durable ────────────────► held ──────────────────► counted ───────────────► behind a barrier ──► durable
///      ▲                       │                          │
///      └── release(behind: nil) ──────────────────────────┘
/// ```
public protocol GuestDisk: Sendable {
    /// Its name, unique within the machine.
    var name: String { get }

    /// Waits, up to the limit, for a moment without a FLUSH in flight; from then on FLUSHes wait, and once the machine
    /// stands they are answered from memory and counted.
    ///
    /// - Returns: whether a FLUSH was still in flight when the limit was reached.
    func holdFlushes(limit: Duration) async -> Bool

    /// How many FLUSHes were answered from memory since ``holdFlushes(limit:)``.
    var heldFlushes: Int { get }

    /// Lets FLUSHes reach the device again: not before the barrier has returned, if there is one. When it throws,
    /// they fail, and what was not made durable is never acknowledged.
    func release(behind barrier: (@Sendable () throws -> Void)?)

    /// Puts another device of the same size behind the guest's disk; only while the machine is held.
    func replace(with device: any BlockDevice) throws

    /// Puts another device of the same size behind the guest's disk, whether the machine runs or not.
    ///
    /// New requests wait until those in flight have ended and the device was made; when that fails, the old one stays.
    func exchange(for make: @escaping @Sendable () throws -> any BlockDevice) async throws
}

/// A run of memory pages of 4 KiB.
public struct PageRun: Hashable, Sendable {
    /// The size of a page in bytes.
    public static let pageSize: Int = 4096

    /// The number of the first page, counted from the start of the memory image.
    public var first: Int
    /// The number of pages.
    public var count: Int

    /// Makes a run.
    public init(first: Int, count: Int) {
        self.first = first
        self.count = count
    }

    /// The run's size in bytes.
    public var byteCount: Int { count * PageRun.pageSize }

    /// The number of the page behind the last.
    var end: Int { first + count }
}

/// A moment by the hypervisor's own clock, in microseconds.
public struct HypervisorTime: Hashable, Sendable {
    /// Microseconds since 1970 UTC.
    public var microseconds: Int64

    /// Makes a moment.
    public init(microseconds: Int64) {
        self.microseconds = microseconds
    }
}

/// What happens to a machine by itself.
public enum VirtualMachineEvent: Hashable, Sendable {
    /// The guest, or the power button that it obeyed, switched the machine off.
    case poweredOff
    /// The guest restarted.
    case restarted
    /// The guest's kernel gave up.
    case panicked
    /// The machine was paused because a disk of the host failed or is full; says which disk.
    case diskFailed(String)
    /// The process is gone; says how it ended when it was not asked to. The last event.
    case ended(String?)
}

/// What a saved state must have in common with a process to be loaded into it.
public struct MachineTraits: Hashable, Sendable, Codable {
    /// The hypervisor and its version, such as `QEMU 7.2.22`.
    public var hypervisor: String
    /// The accelerator, such as `tcg`.
    public var accelerator: String
    /// The versioned machine type, such as `pc-q35-7.2`.
    public var machineType: String
    /// The processor model with its features.
    public var processor: String
    /// The number of processors.
    public var processors: Int
    /// The memory in bytes.
    public var memory: UInt64
    /// The SHA-256 of the device list with addresses, without paths, GUIDs and MACs, in hexadecimal digits.
    public var devices: String

    /// Makes a description.
    public init(
        hypervisor: String, accelerator: String, machineType: String, processor: String, processors: Int,
        memory: UInt64, devices: String
    ) {
        self.hypervisor = hypervisor
        self.accelerator = accelerator
        self.machineType = machineType
        self.processor = processor
        self.processors = processors
        self.memory = memory
        self.devices = devices
    }
}

/// Why a hypervisor did not do what it was asked.
public struct HypervisorError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The kind of failure; open, so that a new one breaks no caller.
    public struct Code: Hashable, Sendable {
        private enum Kind: Hashable, Sendable { case notInstalled, ended, refused, failed }
        private let kind: Kind

        /// The hypervisor is not on this machine.
        public static let notInstalled: Code = Code(kind: .notInstalled)
        /// The process ended.
        public static let ended: Code = Code(kind: .ended)
        /// The hypervisor refused a request.
        public static let refused: Code = Code(kind: .refused)
        /// A request failed on the way.
        public static let failed: Code = Code(kind: .failed)
    }

    /// The kind of failure.
    public var code: Code
    /// One sentence: what happened, to what, and what to do.
    public var description: String

    /// Makes an error.
    public init(_ code: Code, _ description: String) {
        self.code = code
        self.description = description
    }
}

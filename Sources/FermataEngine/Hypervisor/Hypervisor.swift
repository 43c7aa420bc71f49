// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

public import BlockStorage
public import SystemPackage

/// What runs virtual machines.
///
/// The engine holds machines still and brings them back through this protocol and ``VirtualMachine`` alone; it does
/// not know QEMU.
public protocol Hypervisor: Sendable {
    /// Starts the process of a machine, its processors held: the guest runs from the first
    /// ``VirtualMachine/resume()`` on.
    ///
    /// - Throws: ``HypervisorError`` when the hypervisor is missing, refuses the hardware or ends early.
    func launch(_ launch: Launch) async throws -> any VirtualMachine
}

/// All that a hypervisor needs to start one machine.
public struct Launch: Sendable {
    /// The machine's name, for the process list and for messages.
    public var name: String
    /// The virtual hardware, disks aside.
    public var hardware: Hardware
    /// The flat memory image, exactly as long as the memory, that the guest's RAM maps privately; never written to.
    public var memoryImage: FilePath
    /// The disks, in the guest's order.
    public var disks: [Disk]
    /// The guest's real-time clock at its start, in seconds since 1970 UTC; it runs on the machine's virtual time.
    public var clockBase: Int64
    /// Where the hypervisor's own messages go.
    public var log: FilePath

    /// Makes a launch.
    public init(
        name: String, hardware: Hardware, memoryImage: FilePath, disks: [Disk], clockBase: Int64, log: FilePath
    ) {
        self.name = name
        self.hardware = hardware
        self.memoryImage = memoryImage
        self.disks = disks
        self.clockBase = clockBase
        self.log = log
    }

    /// A disk of a machine that is starting.
    public struct Disk: Sendable {
        /// Its name, unique within the machine.
        public var name: String
        /// The bytes behind it; can be replaced while the machine runs.
        public var device: any BlockDevice

        /// Makes a disk.
        public init(name: String, device: any BlockDevice) {
            self.name = name
            self.device = device
        }
    }
}

/// The virtual hardware of a machine, disks aside.
public struct Hardware: Hashable, Sendable {
    /// The memory in bytes, a multiple of 1 MiB.
    public var memory: UInt64
    /// The number of processors.
    public var processors: Int
    /// What the hypervisor loads by itself; nil for a start from the first disk.
    public var boot: Boot?
    /// Whether the guest can draw random numbers from the host.
    public var hasEntropy: Bool
    /// The address of its network card, such as `52:54:00:12:34:56`; nil when it has none.
    ///
    /// Nothing is connected to the card: what the guest sends reaches nobody, and nobody sends.
    public var networkAddress: String?

    /// Makes a hardware description.
    public init(
        memory: UInt64, processors: Int, boot: Boot? = nil, hasEntropy: Bool = true, networkAddress: String? = nil
    ) {
        self.memory = memory
        self.processors = processors
        self.boot = boot
        self.hasEntropy = hasEntropy
        self.networkAddress = networkAddress
    }

    /// A kernel that the hypervisor loads by itself.
    public struct Boot: Hashable, Sendable {
        /// The kernel's file.
        public var kernel: FilePath
        /// The initial RAM disk's file.
        public var initrd: FilePath?
        /// The kernel's command line.
        public var arguments: String

        /// Makes a boot description.
        public init(kernel: FilePath, initrd: FilePath?, arguments: String) {
            self.kernel = kernel
            self.initrd = initrd
            self.arguments = arguments
        }
    }

    /// Whether the guest's time is kept by a clock that a restore in place can turn back.
    ///
    /// Under software emulation the time-stamp counter never goes back within one process, so a guest that reads it
    /// would see the discarded time pass.
    public var guestClockGoesBack: Bool {
        let words = boot?.arguments.split(separator: " ") ?? []
        return words.contains("clocksource=hpet") && words.contains("tsc=unstable")
    }
}

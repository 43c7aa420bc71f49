// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// A machine as a recipe defines it: its hardware and its disks.
public struct MachineDefinition: Hashable, Sendable, Codable {
    /// Its name, unique in the lab.
    public var name: MachineName
    /// Its memory, a multiple of 1 MiB.
    public var memory: ByteSize
    /// The number of its processors.
    public var processors: Int
    /// What it starts from; nil for its first disk, by BIOS.
    public var boot: Boot?
    /// Its disks, in the order in which the guest finds them.
    public var disks: [Disk]
    /// Whether it has a network card, to which nothing is connected.
    public var hasNetwork: Bool
    /// What the guest's time of day is after a restore.
    public var clock: ClockPolicy
    /// Where the author wrote it.
    public var at: SourceLocation?

    /// The largest memory that a machine is given.
    public static let largestMemory: ByteSize = .gibibytes(16 << 10)
    /// The most disks that a machine has room for.
    public static let mostDisks: Int = 27
    /// The largest number of processors that machines are tested with.
    public static let mostProcessors: Int = 255

    /// Makes a definition; what is left out is what most labs want.
    public init(
        name: MachineName, memory: ByteSize = .mebibytes(256), processors: Int = 1, boot: Boot? = nil,
        disks: [Disk] = [], hasNetwork: Bool = false, clock: ClockPolicy = .continue, at: SourceLocation? = nil
    ) {
        self.name = name
        self.memory = memory
        self.processors = processors
        self.boot = boot
        self.disks = disks
        self.hasNetwork = hasNetwork
        self.clock = clock
        self.at = at
    }

    /// A kernel that the hypervisor loads itself; paths as written, relative to the recipe.
    public struct Boot: Hashable, Sendable, Codable {
        /// The kernel's path.
        public var kernel: String
        /// The initial RAM disk's path.
        public var initrd: String?
        /// The kernel's command line.
        public var arguments: String?

        /// Makes a boot description.
        public init(kernel: String, initrd: String? = nil, arguments: String? = nil) {
            self.kernel = kernel
            self.initrd = initrd
            self.arguments = arguments
        }
    }

    /// A disk of a machine.
    public struct Disk: Hashable, Sendable, Codable {
        /// Its name, unique within the machine; the same rules as for a machine's name.
        public var name: String
        /// Its size, a multiple of 512 bytes.
        public var size: ByteSize
        /// How its file and those of its checkpoints store it.
        public var format: Format

        /// Makes a disk description.
        public init(name: String, size: ByteSize, format: Format = .vhd) {
            self.name = name
            self.size = size
            self.format = format
        }

        /// What is wrong with a text as a disk's name, as the end of a sentence; nil when nothing is.
        public static func problem(ofName name: String) -> String? {
            // The name that is reserved for the lab's boot files is a folder's; a disk may have it.
            name == "Boot" ? nil : MachineName(name).problem
        }

        /// How a disk's files store it.
        public enum Format: String, Hashable, Sendable, Codable, CaseIterable {
            /// Virtual Hard Disk: up to 2040 GiB.
            case vhd
            /// Virtual Hard Disk version 2: up to 64 TiB, and a log for its own structures.
            case vhdx

            /// The largest disk that it holds.
            public var largestDisk: ByteSize {
                switch self {
                case .vhd: .gibibytes(2040)
                case .vhdx: .gibibytes(64 << 10)
                }
            }
        }
    }
}

/// Where in an author's source something stands.
public struct SourceLocation: Hashable, Sendable, Codable, CustomStringConvertible {
    /// The file, as the front end names it.
    public var file: String
    /// The line, counted from 1.
    public var line: Int

    /// Makes a location.
    public init(file: String, line: Int) {
        self.file = file
        self.line = line
    }

    /// `file:line`, on one line whatever the file's name holds.
    public var description: String { "\(file.shortened(to: 1000)):\(line)" }
}

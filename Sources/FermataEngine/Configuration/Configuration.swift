// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

public import FermataModel
public import VirtualDisk

/// The configuration of a machine: as it is now, or as it was at a checkpoint.
///
/// It is what one XML file of the store holds. The engine finds a disk by the last component of its path name in the
/// machine's own folders; the path itself is for other readers and is never trusted.
public struct Configuration: Hashable, Sendable {
    /// The machine's identity.
    public var machine: GUID
    /// The machine's name; in a checkpoint's file, the checkpoint's.
    public var name: String
    /// When the machine or the checkpoint was made, in milliseconds since 1970 UTC.
    public var created: Int64
    /// The author's notes.
    public var notes: String?
    /// The memory in bytes.
    public var memory: UInt64
    /// The number of processors.
    public var processors: Int
    /// What it starts from; nil for its first disk.
    public var boot: Boot?
    /// The disks, in the guest's order.
    public var disks: [Disk]
    /// The other devices; none in a file that says nothing of them.
    public var devices: Devices = Devices(hasEntropy: false)
    /// What the guest's time of day is after a restore.
    public var clock: ClockPolicy = .continue
    /// Whether checkpoints of the machine can be made.
    public var allowsCheckpoints: Bool = true
    /// The checkpoints from which this state grew, nearest first; its parent is the first that exists.
    public var ancestors: [GUID]
    /// The recipe that made the machine or the checkpoint, if one did.
    public var owner: RecipeOwnership?
    /// What a checkpoint's file says of the checkpoint; nil in a machine's own file.
    public var checkpoint: Checkpoint?
    /// What each of a checkpoint's disks read as, in their order; nil while that is not worked out, and in a machine's
    /// own file unless it was exported.
    public var digests: [ContentDigest]?
    /// Where the memory of a saved machine lies; nil when it is not saved, and in a checkpoint's file.
    public var saved: SavedMemory?

    /// A kernel and an initial RAM disk in the lab's `Boot` folder.
    public struct Boot: Hashable, Sendable {
        /// The SHA-256 of the kernel, its name in the folder.
        public var kernel: String
        /// The SHA-256 of the initial RAM disk.
        public var initrd: String?
        /// The kernel's command line.
        public var arguments: String

        /// Makes a boot description.
        public init(kernel: String, initrd: String?, arguments: String) {
            self.kernel = kernel
            self.initrd = initrd
            self.arguments = arguments
        }
    }

    /// The devices besides processors, memory and disks that not every machine has.
    public struct Devices: Hashable, Sendable {
        /// Whether the guest can draw random numbers from the host.
        public var hasEntropy: Bool
        /// The address of the network card; nil when there is none.
        public var networkAddress: String?

        /// Makes a description.
        public init(hasEntropy: Bool = true, networkAddress: String? = nil) {
            self.hasEntropy = hasEntropy
            self.networkAddress = networkAddress
        }

        /// The devices of a new machine; an address is drawn for its network card, which keeps it for life.
        init(new definition: MachineDefinition) {
            self.init(networkAddress: definition.hasNetwork ? Self.randomAddress() : nil)
        }

        /// An address of the range that virtual machines of this kind use.
        static func randomAddress() -> String {
            let digits = Array("0123456789abcdef")
            let bytes = (0..<3).map { _ in UInt8.random(in: .min ... .max) }
            return (["52", "54", "00"] + bytes.map { String([digits[Int($0 >> 4)], digits[Int($0 & 15)]]) })
                .joined(separator: ":")
        }

        /// Whether a text is the address of a single card: six bytes, not that of a group, not zero.
        static func isAddress(_ text: String) -> Bool {
            let parts = text.split(separator: ":", omittingEmptySubsequences: false)
            let bytes = parts.compactMap { $0.utf8.count == 2 ? UInt8($0, radix: 16) : nil }
            guard parts.count == 6, bytes.count == 6, let first = bytes.first else { return false }
            return first & 1 == 0 && bytes.contains { $0 != 0 }
        }
    }

    /// A disk: its name for the user, and the file that holds its newest state.
    public struct Disk: Hashable, Sendable {
        /// The disk's name, unique within the machine.
        public var name: String
        /// The absolute path when the file was written; only its last component is used.
        public var path: String

        /// Makes a disk description.
        public init(name: String, path: String) {
            self.name = name
            self.path = path
        }
    }

    /// Where the memory and devices of a saved machine lie.
    public enum SavedMemory: Hashable, Sendable {
        /// In the machine's own folder, held at the moment of that identity.
        case own(moment: GUID)
        /// In the folder of a checkpoint, which was made of the saved machine, or applied.
        case checkpoint(GUID)
    }

    /// What makes a configuration a checkpoint.
    public struct Checkpoint: Hashable, Sendable {
        /// How it was made.
        public var kind: CheckpointTree.Checkpoint.Kind
        /// What the machine was doing; memory and devices belong to it unless it was off.
        public var state: MachineState
        /// The moment at which memory and devices were held, if it was not the checkpoint's own.
        public var moment: GUID?
        /// Whether it is the disk-only checkpoint before a recipe's first start.
        public var isOrigin: Bool
        /// The checkpoint that this one replaces, and that stops existing as this one begins to.
        public var supersedes: GUID?
        /// The checkpoint of several machines to which it belongs, and only with which it exists.
        public var labCheckpoint: GUID?
        /// Whether its name is its own, and not that of the lab's checkpoint.
        public var hasOwnName: Bool

        /// Makes a description.
        public init(
            kind: CheckpointTree.Checkpoint.Kind, state: MachineState, moment: GUID? = nil, isOrigin: Bool = false,
            supersedes: GUID? = nil, labCheckpoint: GUID? = nil, hasOwnName: Bool = false
        ) {
            self.kind = kind
            self.state = state
            self.moment = moment
            self.isOrigin = isOrigin
            self.supersedes = supersedes
            self.labCheckpoint = labCheckpoint
            self.hasOwnName = labCheckpoint != nil && hasOwnName
        }

        /// Whether memory and devices belong to it.
        public var hasMemory: Bool { state != .off }
    }
}

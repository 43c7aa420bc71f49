// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

public import FermataModel
public import SystemPackage

/// A change of a machine's configuration; what is not said stays as it is.
public struct HardwareChange: Hashable, Sendable {
    /// The memory, a multiple of 1 MiB.
    public var memory: ByteSize?
    /// The number of processors.
    public var processors: Int?
    /// The kernel's file, which is copied.
    public var kernel: FilePath?
    /// The initial RAM disk's file, which is copied.
    public var initrd: FilePath?
    /// The kernel's command line.
    public var arguments: String?
    /// The author's notes; an empty text removes them.
    public var notes: String?
    /// What the guest's time of day is after a restore.
    public var clock: ClockPolicy?
    /// Whether checkpoints of the machine can be made.
    public var allowsCheckpoints: Bool?
    /// The names of disks to take away, before others are added.
    public var detach: [String]
    /// Whether detached disks that no checkpoint holds are removed, where they would stay as files.
    public var discardsDetached: Bool
    /// Disks to add behind those that stay.
    public var attach: [NewDisk]

    /// Makes a change.
    public init(
        memory: ByteSize? = nil, processors: Int? = nil, kernel: FilePath? = nil, initrd: FilePath? = nil,
        arguments: String? = nil, notes: String? = nil, clock: ClockPolicy? = nil, allowsCheckpoints: Bool? = nil,
        detach: [String] = [], discardsDetached: Bool = false, attach: [NewDisk] = []
    ) {
        self.memory = memory
        self.processors = processors
        self.kernel = kernel
        self.initrd = initrd
        self.arguments = arguments
        self.notes = notes
        self.clock = clock
        self.allowsCheckpoints = allowsCheckpoints
        self.detach = detach
        self.discardsDetached = discardsDetached
        self.attach = attach
    }

    /// A disk to add.
    public struct NewDisk: Hashable, Sendable {
        /// Its name, unique in the machine.
        public var name: String
        /// What it holds.
        public var content: Content

        /// Makes a description.
        public init(name: String, content: Content) {
            self.name = name
            self.content = content
        }

        /// What a new disk holds.
        public enum Content: Hashable, Sendable {
            /// Zeros, in a new file.
            case empty(ByteSize, MachineDefinition.Disk.Format)
            /// What a file in the machine's folder holds, which no machine and no checkpoint uses.
            case file(String)
        }
    }

    /// Whether it changes nothing that the guest runs on.
    var leavesHardware: Bool {
        var rest = self
        (rest.notes, rest.clock, rest.allowsCheckpoints) = (nil, nil, nil)
        return rest == HardwareChange()
    }
}

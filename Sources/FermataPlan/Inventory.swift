// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

public import FermataModel
public import Hashing

/// What exists when a plan is made: machines, input files, free space; a pure value that the executor fills.
public struct Inventory: Hashable, Sendable {
    /// The lab's machines, those of other recipes and of none too.
    public var machines: [Machine]
    /// What was found at each of ``FermataModel/Recipe/inputFiles``, by its path as written; absent is missing.
    public var files: [String: File]
    /// What was found at each of ``FermataModel/Recipe/outputFolders``, by its path as written; absent is nothing.
    public var folders: [String: Folder]
    /// The space that is free where the lab lies; nil when it is not known.
    public var freeSpace: ByteSize?
    /// The lab's checkpoints of several machines.
    public var labCheckpoints: [LabCheckpoint]

    /// Makes an inventory; without arguments that of a lab that does not exist yet.
    public init(
        machines: [Machine] = [], files: [String: File] = [:], folders: [String: Folder] = [:],
        freeSpace: ByteSize? = nil, labCheckpoints: [LabCheckpoint] = []
    ) {
        self.machines = machines
        self.folders = folders
        self.labCheckpoints = labCheckpoints
        self.files = files
        self.freeSpace = freeSpace
    }

    /// A machine of the lab.
    public struct Machine: Hashable, Sendable {
        /// Its name.
        public var name: MachineName
        /// Its identity.
        public var id: GUID
        /// What it is doing; nil when nobody could tell.
        public var state: MachineState?
        /// The recipe that made it and the digest of its definition; nil when no recipe made it.
        public var owner: RecipeOwnership?
        /// All its checkpoints, origins included.
        public var tree: CheckpointTree
        /// Whether its author lets checkpoints of it be made.
        public var allowsCheckpoints: Bool
        /// The machines that read through its disks.
        public var forks: Set<MachineName>
        /// The machines in the trash that do.
        public var discardedForks: Set<MachineName>

        /// Makes a machine's description.
        public init(
            name: MachineName, id: GUID, state: MachineState?, owner: RecipeOwnership? = nil,
            tree: CheckpointTree = CheckpointTree(), allowsCheckpoints: Bool = true, forks: Set<MachineName> = [],
            discardedForks: Set<MachineName> = []
        ) {
            self.allowsCheckpoints = allowsCheckpoints
            self.forks = forks
            self.discardedForks = discardedForks
            self.name = name
            self.id = id
            self.state = state
            self.owner = owner
            self.tree = tree
        }
    }

    /// A checkpoint of several machines.
    public struct LabCheckpoint: Hashable, Sendable {
        /// Its name.
        public var name: CheckpointName
        /// The machines' own checkpoints that are left of it.
        public var parts: Set<GUID>

        /// Makes a description.
        public init(name: CheckpointName, parts: Set<GUID>) {
            self.name = name
            self.parts = parts
        }
    }

    /// What was found at a path.
    public enum File: Hashable, Sendable {
        /// A file that can be read: the digest of its contents, and its size.
        case file(digest: Digest, size: ByteSize)
        /// Nothing.
        case missing
        /// A folder, a device, a socket.
        case notAFile
        /// A file that cannot be read, and why, as the end of a sentence ("permission denied").
        case unreadable(String)
    }

    /// What was found where a step is to make a folder.
    public enum Folder: Hashable, Sendable {
        /// Nothing, in a folder that exists: the absolute path without detours.
        case free(path: String)
        /// Something.
        case exists
        /// Nothing, and no folder in which it could be made.
        case noParent
        /// A place in the lab.
        case inLab
        /// Nobody could tell, and why, as the end of a sentence.
        case unreadable(String)
    }

    /// The machine of a name.
    public func machine(named name: MachineName) -> Machine? {
        machines.first { $0.name == name }
    }
}

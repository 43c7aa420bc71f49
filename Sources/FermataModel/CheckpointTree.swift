// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// All checkpoints of a machine, and where *now* hangs.
///
/// ```
///   clean ─┬─ broken
///          └─ fixed ── (now)
/// ```
public struct CheckpointTree: Hashable, Sendable {
    /// The checkpoints, oldest first.
    public var checkpoints: [Checkpoint]
    /// The checkpoint from which now grows; nil when it grows from none.
    public var now: GUID?

    /// Makes a tree.
    public init(checkpoints: [Checkpoint] = [], now: GUID? = nil) {
        self.checkpoints = checkpoints
        self.now = now
    }

    /// A point in time of a machine.
    public struct Checkpoint: Hashable, Sendable {
        /// How much of the machine a checkpoint holds, and how.
        public enum Kind: String, Hashable, Sendable, Codable {
            /// Configuration, disks, and memory if the machine was not off.
            case standard
            /// The guest brought its disks to rest; no memory.
            case production
            /// Configuration and disks.
            case diskOnly = "disk-only"
        }

        /// Its identity.
        public var id: GUID
        /// Its name.
        public var name: CheckpointName
        /// The checkpoint from which it grew; nil for a root.
        public var parent: GUID?
        /// How it was made.
        public var kind: Kind
        /// Whether it holds memory and devices.
        public var hasMemory: Bool
        /// When it was made, in milliseconds since 1970 UTC.
        public var time: Int64
        /// The author's notes.
        public var notes: String?
        /// The recipe that made it, if one did.
        public var owner: RecipeOwnership?
        /// Whether it is the disk-only checkpoint before a recipe's first start, which lists leave out.
        public var isOrigin: Bool

        /// Makes a checkpoint's description.
        public init(
            id: GUID, name: CheckpointName, parent: GUID?, kind: Kind, hasMemory: Bool, time: Int64,
            notes: String? = nil, owner: RecipeOwnership? = nil, isOrigin: Bool = false
        ) {
            self.id = id
            self.name = name
            self.parent = parent
            self.kind = kind
            self.hasMemory = hasMemory
            self.time = time
            self.notes = notes
            self.owner = owner
            self.isOrigin = isOrigin
        }
    }

    /// The checkpoint of an identity.
    public subscript(id: GUID) -> Checkpoint? {
        checkpoints.first { $0.id == id }
    }

    /// The checkpoints that grew from one, oldest first; those that grew from none for nil.
    public func children(of parent: GUID?) -> [Checkpoint] {
        checkpoints.filter { $0.parent == parent }
    }

    /// The checkpoints that grew from one, directly or by way of others, each after that from which it grew.
    public func descendants(of ancestor: GUID) -> [Checkpoint] {
        var found = children(of: ancestor)
        var index = 0
        // A tree that was read from damaged files may have a circle.
        while index < found.count, found.count <= checkpoints.count {
            found += children(of: found[index].id)
            index += 1
        }
        return found
    }

    /// The tree as lists show it: without origins, whose children hang from the origin's parent.
    public var listed: CheckpointTree {
        let origins = Dictionary(
            checkpoints.filter(\.isOrigin).map { ($0.id, $0.parent) }, uniquingKeysWith: { first, _ in first })
        func visible(_ id: GUID?) -> GUID? {
            var current = id
            var steps = 0
            while let candidate = current, let above = origins[candidate], steps <= origins.count {
                current = above
                steps += 1
            }
            return current
        }
        var tree = CheckpointTree(checkpoints: checkpoints.filter { !$0.isOrigin }, now: visible(now))
        for index in tree.checkpoints.indices {
            tree.checkpoints[index].parent = visible(tree.checkpoints[index].parent)
        }
        return tree
    }
}

/// Which recipe made something.
public struct RecipeOwnership: Hashable, Sendable, Codable {
    /// The recipe's name.
    public var recipe: String
    /// The SHA-256 of the machine's definition and its boot files, in hexadecimal digits.
    public var definition: String

    /// Makes an ownership.
    public init(recipe: String, definition: String) {
        self.recipe = recipe
        self.definition = definition
    }
}

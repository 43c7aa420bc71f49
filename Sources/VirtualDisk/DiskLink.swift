// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

public import SystemPackage

/// What speaks for it, or against, that one disk is the parent of another.
public struct DiskLink: Hashable, Sendable {
    /// What led to the parent.
    public enum Way: Hashable, Sendable {
        /// A relative path that the child records.
        case path(String)
        /// The name in the child's header, looked for beside the child.
        case name(String)
        /// Its identity, among all disks beneath the folder.
        case identity
    }

    /// The disk that was found.
    public struct Found: Hashable, Sendable {
        /// Its file.
        public var path: FilePath
        /// What led to it.
        public var way: Way
        /// Its identity; nil for a disk that has none.
        public var identity: DiskIdentity?
        /// When it was last changed, in seconds since 1970.
        public var modificationTime: Int64
    }

    /// The child's file.
    public var child: FilePath
    /// How the child is stored.
    public var format: DiskFormat
    /// What it records of its parent.
    public var recorded: ParentLink
    /// What was found; nil when there is nothing in any of the places.
    public var found: Found?

    /// Whether the identities agree; nil when nothing was found.
    public var hasSameIdentity: Bool? { found.map { recorded.names($0.identity) } }

    /// Whether the times of change agree; nil when nothing was found, or none was recorded.
    public var hasSameTime: Bool? {
        guard let found, let time = recorded.modificationTime else { return nil }
        return VHD.timestamp(found.modificationTime) == VHD.timestamp(time)
    }

    /// How the child stands to what was found.
    public var relation: DiskInfo.Relation {
        hasSameIdentity.map { $0 ? .ok : .mismatch } ?? .missing
    }
}

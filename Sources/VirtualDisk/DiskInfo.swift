// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
public import SystemPackage

/// What can be told of a disk by looking at it.
public struct DiskInfo: Sendable {
    /// How a disk stands to the parent that it records.
    public enum Relation: String, Hashable, Sendable {
        /// The parent is there.
        case ok
        /// No file has the parent's identity.
        case missing
        /// Another disk is in the parent's place.
        case mismatch
    }

    /// The parent of a differencing disk.
    public struct Parent: Hashable, Sendable {
        /// Its identity, as recorded.
        public var identity: DiskIdentity
        /// Where it is, or where it should be; nil when that is not beneath the lab's folder.
        public var path: FilePath?
        /// How the disk stands to it.
        public var relation: Relation
        /// What the disk records of it.
        public var link: ParentLink
    }

    /// The file's absolute path.
    public var path: FilePath
    /// How the file stores the disk.
    public var format: DiskFormat
    /// How the file lays out its bytes.
    public var kind: DiskKind
    /// The disk's size in bytes.
    public var size: UInt64
    /// The space that the file itself takes, in bytes.
    public var allocated: UInt64
    /// By what its children know it; nil for a raw file.
    public var identity: DiskIdentity?
    /// The parent, if the disk is a child.
    public var parent: Parent?
    /// The absolute paths from the leaf to the base, or as far as they can be followed.
    public var chain: [FilePath]
    /// What speaks for each of the parents in the chain, the leaf's first.
    public var links: [DiskLink]
    /// Why the chain cannot be followed to its base.
    public var problem: DiskError?
    /// What is odd about the disks.
    public var warnings: [DiskWarning]

    /// Looks at a disk and its ancestors without changing anything.
    ///
    /// - Throws: when the disk itself is damaged; trouble with an ancestor is told in ``problem``.
    public static func inspect(
        _ path: FilePath, beneath root: FilePath, format: DiskFormat? = nil, resolver: ParentResolver? = nil,
        sizeMode: DiskSizeMode = .auto
    ) throws(DiskError) -> DiskInfo {
        let folder = try reaching(root.string) { () throws(StorageError) in try Folder(opening: root) }
        let location = try LabPath.location(of: path, beneath: folder.path)
        var walk = ChainWalk(folder, root: folder.path, resolver: resolver)
        walk.sizeMode = sizeMode
        try walk.begin(location, format: format, access: .readOnly, expecting: nil)
        var problem: DiskError?
        do throws(DiskError) { try walk.follow() } catch { problem = error }
        guard let leaf = walk.images.first else {
            throw DiskError(.invalidArgument, path: path.string, "this is no disk")
        }
        let status = try reaching(path.string) { () throws(StorageError) in try leaf.store.status() }
        let chain = walk.images.map { FilePath($0.store.name) }
        return DiskInfo(
            path: FilePath(leaf.store.name), format: leaf.format, kind: leaf.kind, size: leaf.size,
            allocated: status.allocated, identity: leaf.identity,
            parent: leaf.parent.map { link in
                let recorded = link.relativePaths.first.flatMap { LabPath.resolve($0, from: location) }
                let place = recorded.map { $0.reduce(into: folder.path) { $0.append($1) } }
                let isThere = chain.count > 1
                return Parent(
                    identity: link.identity, path: isThere ? chain[1] : place,
                    relation: isThere ? .ok : problem?.code == .parentMismatch ? .mismatch : .missing, link: link)
            }, chain: chain, links: walk.links, problem: problem, warnings: walk.warnings)
    }
}

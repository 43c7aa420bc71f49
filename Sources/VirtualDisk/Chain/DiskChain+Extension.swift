// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

public import BlockStorage
public import SystemPackage

extension DiskChain {
    /// A chain whose leaf is an empty child of this one's, and whose ancestors are this chain's own open disks.
    ///
    /// What is still in memory alone counts, so the new chain can take over in the middle of a session. This chain may
    /// be written until the new one is for the first time; from then on it refuses writes. Call ``sealParents()`` on
    /// the new chain, or flush it, to make this one durable.
    ///
    /// - Parameter path: the child's file, made before, beneath the same folder.
    public func extended(byChildAt path: FilePath) throws(DiskError) -> DiskChain {
        try extended(byChildAt: LabPath.location(of: path, beneath: FilePath(tree.name)))
    }

    package func extended(byChildAt location: [String]) throws(DiskError) -> DiskChain {
        guard !isReadOnly else {
            throw DiskError(.invalidArgument, path: leaf.store.name, "the disk is open for reading only")
        }
        guard images.count < Self.mostLayers else {
            throw DiskError(
                .tooDeep, path: leaf.store.name, "the chain already has \(Self.mostLayers) disks: merge some first")
        }
        var walk = ChainWalk(tree, root: nil, resolver: nil)
        try walk.begin(location, format: leaf.format, access: .readWrite, expecting: .differencing)
        guard let child = walk.images.first, let link = child.parent else {
            throw DiskError(.invalidArgument, path: leaf.store.name, "the new disk is no child")
        }
        guard link.names(leaf.identity) else {
            throw DiskError(
                .parentMismatch, path: child.store.name, "the new disk is the child of another",
                field: "parent identity",
                expected: leaf.identity?.description, found: link.identity.description)
        }
        guard child.size == size else {
            throw DiskError(
                .sizeMismatch, path: child.store.name, "the disk and its parent have different sizes", field: "size",
                expected: "\(size)", found: "\(child.size)")
        }
        guard child.presentBlocks.isEmpty else {
            throw DiskError(.invalidArgument, path: child.store.name, "the new disk is not empty")
        }
        var recent = [leaf] + recent
        var index = index
        if recent.count > Self.mostRecent {
            // All but this chain's leaf change no more.
            for image in recent.dropFirst() { image.gate.freeze() }
            index = ChainIndex(Array(recent.dropFirst()) + index.images, size: size)
            recent = [leaf]
        }
        return DiskChain(
            leaf: child, recent: recent, flushable: [leaf] + flushable, index: index, tree: tree, isReadOnly: false,
            warnings: warnings + walk.warnings)
    }

    /// Makes the disks beneath the leaf durable, and gives the nearest one the time of change that the leaf recorded.
    ///
    /// They take no more writes from then on. Nothing that is written to this chain is made durable before that.
    public func sealParents() throws(StorageError) {
        try checkOpen()
        guard let parent = recent.first else { return }
        for image in flushable.reversed() {
            image.gate.freeze()
            try image.flush()
        }
        try parent.seal(modificationTime: leaf.parent?.modificationTime)
    }

    /// So many former leaves are asked one by one before the index is made again.
    private static var mostRecent: Int { 8 }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
public import SystemPackage

extension DiskChain {
    /// Does for good what the log of a disk at rest holds; it reads the same, and its children know it still.
    public static func settle(_ path: FilePath, beneath root: FilePath) throws(DiskError) {
        let folder = try reaching(root.string) { () throws(StorageError) in try Folder(opening: root) }
        let chain = try open(
            LabPath.location(of: path, beneath: folder.path), in: folder, root: folder.path, access: .readWrite,
            keepingIdentity: true)
        try reaching(path.string) { () throws(StorageError) in try chain.close() }
    }

    /// A chain with the same open leaf, whose ancestors are opened anew, as their files are now.
    ///
    /// For when files beneath the leaf are merged: this chain reads the same all the while, but keeps the files that
    /// are gone. Both may take the leaf's writes, one after the other; this one must not be closed any more once the
    /// new one is used. What was written to former leaves is durable first.
    public func reopened() throws(DiskError) -> DiskChain {
        guard !isReadOnly else {
            throw DiskError(.invalidArgument, path: leaf.store.name, "the disk is open for reading only")
        }
        try reaching(leaf.store.name) { () throws(StorageError) in
            try checkOpen()
            for image in flushable.reversed() {
                image.gate.freeze()
                try image.flush()
                try image.settle()
            }
        }
        var walk = ChainWalk(tree, root: nil, resolver: nil)
        walk.begin(with: leaf)
        try walk.follow()
        return DiskChain(
            leaf: leaf, recent: [], flushable: [], index: ChainIndex(Array(walk.images.dropFirst()), size: size),
            tree: tree, isReadOnly: false, warnings: walk.warnings)
    }
}

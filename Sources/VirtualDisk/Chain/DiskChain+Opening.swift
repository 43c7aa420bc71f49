// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

public import BlockStorage
public import SystemPackage

extension DiskChain {
    /// Opens a disk with all its ancestors.
    ///
    /// Ancestors are opened for reading only, and only beneath `root`. Opened for reading only, no file is changed.
    ///
    /// - Parameters:
    ///   - path: the leaf, beneath `root`.
    ///   - root: the lab's folder.
    ///   - format: how the leaf is stored; its extension says so when this is nil.
    ///   - kind: what the configuration says the leaf is; a disk that is said to be fixed is nothing else.
    ///   - resolver: finds a parent by its identity; nil searches the files beneath `root`.
    ///   - sizeMode: which of a VHD's sizes counts; a disk is written by none but the one that its maker means.
    public static func open(
        _ path: FilePath, beneath root: FilePath, access: FileAccess = .readOnly, format: DiskFormat? = nil,
        kind: DiskKind? = nil, resolver: ParentResolver? = nil, sizeMode: DiskSizeMode = .auto
    ) throws(DiskError) -> DiskChain {
        let folder = try reaching(root.string) { () throws(StorageError) in try Folder(opening: root) }
        let location = try LabPath.location(of: path, beneath: folder.path)
        return try open(
            location, in: folder, root: folder.path, access: access, format: format, kind: kind, resolver: resolver,
            sizeMode: sizeMode)
    }

    /// Opens a disk of any tree of files.
    ///
    /// - Parameter keepsIdentity: that the leaf's children know it still after it was written.
    package static func open(
        _ location: [String], in tree: any FileTree, root: FilePath? = nil, access: FileAccess,
        format: DiskFormat? = nil, kind: DiskKind? = nil, resolver: ParentResolver? = nil,
        keepingIdentity keepsIdentity: Bool = false, sizeMode: DiskSizeMode = .auto
    ) throws(DiskError) -> DiskChain {
        // A chain that is refused must not have been repaired before.
        var walk = ChainWalk(tree, root: root, resolver: resolver)
        walk.sizeMode = sizeMode
        try walk.begin(location, format: format, access: .readOnly, expecting: kind)
        try walk.follow()
        let images = walk.images
        let warnings = walk.warnings
        if access == .readWrite {
            try walk.begin(
                location, format: format, access: .readWrite, expecting: kind, keepingIdentity: keepsIdentity)
        }
        guard let leaf = walk.images.first else {
            throw DiskError(.invalidArgument, path: tree.name, "this is no disk")
        }
        let settled = access == .readOnly ? images : Array(images.dropFirst())
        return DiskChain(
            leaf: leaf, recent: [], flushable: [], index: ChainIndex(settled, size: leaf.size), tree: tree,
            isReadOnly: access == .readOnly, warnings: warnings)
    }
}

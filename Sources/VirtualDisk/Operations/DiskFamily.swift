// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
public import SystemPackage

/// The disks beneath a folder, and which grew from which.
public struct DiskFamily: Sendable {
    /// A disk that grew from another.
    private struct Child: Sendable {
        var location: [String]
        var link: ParentLink
    }

    private let tree: any FileTree
    private var children: [Child] = []

    /// The disks beneath a folder that grew from one of them.
    public static func children(
        of disk: FilePath, beneath root: FilePath, format: DiskFormat
    ) throws(DiskError) -> [FilePath] {
        let folder = try reaching(root.string) { () throws(StorageError) in try Folder(opening: root) }
        let location = try LabPath.location(of: disk, beneath: folder.path)
        let store = try reaching(disk.string) { () throws(StorageError) in
            try folder.open(location, access: .readOnly)
        }
        guard let identity = try format.identity(of: store) else { return [] }
        return try DiskFamily(in: folder).children(of: identity, at: location, format)
            .map { FilePath(folder.path(of: $0)) }
    }

    /// Reads who each disk's parent is; a file that is no disk is nobody's child.
    init(in tree: any FileTree) throws(DiskError) {
        self.tree = tree
        let files = try reaching(tree.name) { () throws(StorageError) in
            try tree.files(withExtensions: Set(DiskFormat.all.filter(\.hasChildren).flatMap(\.extensions)))
        }
        for file in files {
            guard let format = DiskFormat(path: FilePath(file.last ?? "")),
                let store = try? tree.open(file, access: .readOnly), let link = try? format.parent(of: store)
            else { continue }
            children.append(Child(location: file, link: link))
        }
    }

    /// The children of a disk.
    ///
    /// A copy of it may have children of its own: those find the copy first, and are left out.
    func children(of disk: any DiskImage) -> [[String]] {
        guard let identity = disk.identity else { return [] }
        return children(of: identity, at: disk.location, disk.format)
    }

    /// When a disk was last changed, as one of its children recorded it.
    func recordedTime(of disk: any DiskImage) -> Int64? {
        let children = Set(children(of: disk))
        return self.children.lazy.filter { children.contains($0.location) }.compactMap(\.link.modificationTime).first
    }

    private func children(of identity: DiskIdentity, at disk: [String], _ format: DiskFormat) -> [[String]] {
        children.filter { child in
            guard child.link.names(identity) else { return false }
            for location in LabPath.places(of: child.link, from: child.location) {
                if location == disk { return true }
                guard let store = try? tree.open(location, access: .readOnly) else { continue }
                if (try? format.identity(of: store)) == identity { return false }
            }
            return true
        }.map(\.location)
    }
}

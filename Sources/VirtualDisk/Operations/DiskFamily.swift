// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import SystemPackage

/// The disks beneath a folder, and which grew from which.
struct DiskFamily {
    /// A disk that grew from another.
    private struct Child {
        var location: [String]
        var link: ParentLink
    }

    private let tree: any FileTree
    private var children: [Child] = []

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
        return children.filter { child in
            guard child.link.names(identity) else { return false }
            for location in LabPath.places(of: child.link, from: child.location) {
                if location == disk.location { return true }
                guard let store = try? tree.open(location, access: .readOnly) else { continue }
                if (try? disk.format.identity(of: store)) == identity { return false }
            }
            return true
        }.map(\.location)
    }
}

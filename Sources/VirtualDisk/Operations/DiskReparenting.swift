// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
public import SystemPackage

/// How a child came to name another file as its parent, and what speaks for it.
public struct DiskReparenting: Hashable, Sendable {
    /// The child.
    public var child: FilePath
    /// The parent that it is given.
    public var parent: FilePath
    /// What the child recorded of its parent until now.
    public var recorded: ParentLink
    /// The identity of the parent that it is given.
    public var identity: DiskIdentity
    /// When that was last changed, in seconds since 1970.
    public var modificationTime: Int64
    /// Where the bytes are kept that were replaced; nil when nothing was changed, or is kept.
    public var backup: FilePath?

    /// Whether the identities say that it is the parent.
    public var isSame: Bool { recorded.names(identity) }

    /// Gives a child another parent, or the same one in another place.
    ///
    /// - Parameters:
    ///   - ignoringIdentity: whether a disk is taken that is another one by its identity.
    ///   - isDryRun: whether everything is looked at and nothing changed.
    ///   - keepsBackup: whether the bytes that are replaced are kept in a file beside the child.
    public static func setParent(
        of child: FilePath, to parent: FilePath, beneath root: FilePath, ignoringIdentity: Bool = false,
        isDryRun: Bool = false, keepsBackup: Bool = true
    ) throws(DiskError) -> DiskReparenting {
        let folder = try reaching(root.string) { () throws(StorageError) in try Folder(opening: root) }
        return try setParent(
            of: LabPath.location(of: child, beneath: folder.path),
            to: LabPath.location(of: parent, beneath: folder.path), in: folder, ignoringIdentity: ignoringIdentity,
            isDryRun: isDryRun, keepsBackup: keepsBackup)
    }

    static func setParent(
        of child: [String], to parent: [String], in tree: any NamedFiles, ignoringIdentity: Bool = false,
        isDryRun: Bool = false, keepsBackup: Bool = true
    ) throws(DiskError) -> DiskReparenting {
        if !isDryRun { try DiskRecovery.finish(child, in: tree) }
        let claims = try isDryRun ? [] : DiskRecovery.claim([child], in: tree)
        defer { withExtendedLifetime(claims) {} }
        var walk = ChainWalk(tree, root: nil, resolver: nil)
        try walk.begin(child, format: nil, access: .readOnly, expecting: nil)
        let name = tree.path(of: child)
        guard let image = walk.images.first, let recorded = image.parent, let own = image.identity else {
            throw DiskError(.invalidArgument, path: name, "the disk has no parent, and cannot be given one")
        }
        try walk.begin(parent, format: nil, access: .readOnly, expecting: nil)
        try walk.follow()
        guard let target = walk.images.first, let identity = target.identity, target.format == image.format else {
            throw DiskError(
                .invalidArgument, path: tree.path(of: parent), "a disk of another format cannot be the parent")
        }
        guard !walk.images.contains(where: { $0.location == child }) else {
            throw DiskError(.cycle, path: name, "the disk would be its own ancestor", found: tree.path(of: parent))
        }
        guard target.size == image.size else {
            throw DiskError(
                .sizeMismatch, path: name, "the disk and the parent have different sizes", field: "size",
                expected: "\(image.size)", found: "\(target.size)")
        }
        let status = try reaching(target.store.name) { () throws(StorageError) in try target.store.status() }
        var result = DiskReparenting(
            child: FilePath(name), parent: FilePath(target.store.name), recorded: recorded, identity: identity,
            modificationTime: status.modificationTime)
        guard !isDryRun else { return result }
        guard result.isSame || ignoringIdentity else {
            throw DiskError(
                .parentMismatch, path: name,
                "\(target.store.name) is another disk than the one from which this one grew: its content would be "
                    + "wrong, unless --ignore-id-mismatch is meant", field: "parent identity",
                expected: recorded.identity.description, found: identity.description)
        }
        let link = ParentLink(
            identity: identity, modificationTime: status.modificationTime, name: parent.last ?? "",
            relativePaths: [try LabPath.relative(to: parent, from: child, name: target.store.name)])
        var steps = try image.format.describing(image.store, at: child, identity: own, link: link)
        let before = try reaching(name) { () throws(StorageError) in try image.store.status().modificationTime }
        steps.append(.modificationTime(file: child, before))
        // In the journal, in the backup, and in the file.
        try DiskMerge.checkSpace(steps.reduce(0) { $0 + 3 * $1.count }, for: image, in: tree)
        if keepsBackup { result.backup = FilePath(tree.path(of: try DiskBackup.keep(steps, of: child, in: tree))) }
        let journal = DiskJournal(.rewriting, of: child, steps: steps)
        try journal.commit(in: tree)
        try journal.apply(in: tree)
        return result
    }
}

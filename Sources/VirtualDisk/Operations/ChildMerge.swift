// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
public import SystemPackage

/// The merge of a disk into the only one that grew from it, in two parts; both disks can be read all the while.
///
/// ```
///   base ◄─ disk ◄─ child ◄─ …     ──►     base ◄─ child ◄─ …
///
///   copy()     the cheaper way: what only the disk has into the child's file,
///              or what the child has into the disk's, where the child hides it
///   commit()   one journal: the file that has everything gets the child's name, identity and time
/// ```
///
/// Whoever reads through the child sees no change, at any moment, and neither does who has the files open from before.
/// Nothing is lost when ``copy(progress:)`` is cut off: it is begun again, and what the child's file got is kept.
public struct ChildMerge: Sendable {
    /// The child and the disk, and all from which they grew.
    private let images: [any DiskImage]
    private let tree: any NamedFiles
    private let claims: [any Sendable]
    /// Whether the disk's file gets the child's data and takes its place.
    private let isBackward: Bool
    /// The bytes that are to be copied.
    public let total: UInt64
    /// When the child was last changed, as far as those know that grew from it.
    private let time: Int64

    private var child: any DiskImage { images[0] }
    private var disk: any DiskImage { images[1] }
    private var filled: any DiskImage { isBackward ? disk : child }

    /// Prepares a merge; refuses what cannot be done, and finishes what was cut off before.
    ///
    /// - Parameters:
    ///   - disk: the disk that goes; nobody but the child may need it.
    ///   - child: the disk that stays; it takes no writes.
    ///   - root: the folder beneath which parents and children are looked for.
    public init(of disk: FilePath, into child: FilePath, beneath root: FilePath) throws(DiskError) {
        let folder = try reaching(root.string) { () throws(StorageError) in try Folder(opening: root) }
        try self.init(
            of: LabPath.location(of: disk, beneath: folder.path),
            into: LabPath.location(of: child, beneath: folder.path), in: folder)
    }

    init(of disk: [String], into child: [String], in tree: any NamedFiles) throws(DiskError) {
        for location in [child, disk] { try DiskRecovery.finish(location, in: tree) }
        claims = try DiskRecovery.claim([child, disk], in: tree)
        self.tree = tree
        var walk = ChainWalk(tree, root: nil, resolver: nil)
        try walk.begin(child, format: nil, access: .readOnly, expecting: nil)
        try walk.follow()
        images = walk.images
        guard images.count > 1, images[1].location == disk else {
            throw DiskError(
                .invalidArgument, path: tree.path(of: child),
                "\(tree.path(of: disk)) is not the disk from which it grew")
        }
        let (child, disk) = (images[0], images[1])
        let family = try DiskFamily(in: tree)
        let others = family.children(of: disk).filter { $0 != child.location }
        guard others.isEmpty else {
            throw DiskError(
                .inUse, path: disk.store.name, "other disks grew from this one and need it",
                found: others.map { tree.path(of: $0) }.joined(separator: ", "))
        }
        let pair = Array(images[...1])
        let up = DiskTransfer(images: pair, sources: 1..<2)
        let down = DiskTransfer(images: pair, sources: 0..<1)
        let recorded = family.recordedTime(of: child)
        let (forward, backward, time) = try reaching(child.store.name) { () throws(StorageError) in
            (try up.total(), try down.total(), try child.store.status().modificationTime)
        }
        self.time = recorded ?? time
        // A fixed disk's file cannot become a child's.
        let isCheaper = backward < forward / 2 && disk.kind != .fixed
        isBackward = isCheaper ? try DiskMerge.canTakePlace(disk, of: child, in: tree) : false
        total = isBackward ? backward : forward
        let space = isBackward ? down.space(in: disk) : up.space(in: child)
        try DiskMerge.checkSpace(space, for: isBackward ? disk : child, in: tree)
    }

    /// Copies, durable on return; nobody sees a change.
    ///
    /// - Parameter progress: what it throws ends the merge, which can be begun again.
    public func copy(progress: DiskProgress? = nil) throws(DiskError) {
        let before = try reaching(filled.store.name) { () throws(StorageError) in
            try filled.store.status().modificationTime
        }
        var walk = ChainWalk(tree, root: nil, resolver: nil)
        try walk.begin(
            filled.location, format: filled.format, access: .readWrite, expecting: nil, keepingIdentity: true)
        guard let target = walk.images.first else { return }
        let transfer = DiskTransfer(images: Array(images[...1]), sources: isBackward ? 0..<1 : 1..<2)
        try reaching(target.store.name) { () throws(StorageError) in
            do throws(StorageError) {
                try transfer.copy(into: target, total: total, progress: progress)
                if !isBackward, disk.parent == nil { try DiskTransfer.complete(target) }
                try target.flush()
                try target.settle()
            } catch {
                // What is there already need not be copied again, and who grew from it finds the time that it recorded.
                if (try? target.flush()) != nil { try? target.settle() }
                try? target.store.setModificationTime(isBackward ? before : time)
                throw error
            }
        }
    }

    /// Makes the file that has everything the child, and removes the other; done once it has returned.
    public func commit() throws(DiskError) -> DiskMerge {
        guard let identity = child.identity else { return DiskMerge.empty(tree) }
        var link = disk.parent
        if images.count > 2 {
            let parent = images[2]
            link?.relativePaths = [
                try LabPath.relative(to: parent.location, from: child.location, name: parent.store.name)
            ]
            link?.absolutePaths = []
            link?.name = parent.location.last ?? ""
        }
        let store = try reaching(filled.store.name) { () throws(StorageError) in
            try tree.open(filled.location, access: .readOnly)
        }
        var steps = try child.format.describing(store, at: filled.location, identity: identity, link: link)
        steps.append(.modificationTime(file: filled.location, time))
        steps.append(
            isBackward ? .rename(from: disk.location, to: child.location) : .remove(file: disk.location))
        let journal = DiskJournal(.rewriting, of: child.location, steps: steps)
        try journal.commit(in: tree)
        try journal.apply(in: tree)
        return DiskMerge(
            target: FilePath(child.store.name), removed: [FilePath(disk.store.name)], kept: [], relinked: [],
            copied: total)
    }
}

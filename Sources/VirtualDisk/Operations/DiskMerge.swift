// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

package import BlockStorage
public import SystemPackage

/// What a merge of disks did.
///
/// ```
///   into the parent    base ◄─ a ◄─ b ◄─ c     merge b into base:   base ◄─ c
///   into the child     base ◄─ a ◄─ b ◄─ c     merge a into b:      base ◄─ b ◄─ c
/// ```
///
/// The disk that stays keeps its name and its identity, and reads as what was merged. Children of a disk that goes are
/// given the one that stays as their parent.
public struct DiskMerge: Hashable, Sendable {
    /// The disk that stays.
    public var target: FilePath
    /// The disks that are gone.
    public var removed: [FilePath]
    /// The disks that were merged but stay, because other children read through them.
    public var kept: [FilePath]
    /// The children that have the target as their parent now.
    public var relinked: [FilePath]
    /// The bytes that were copied.
    public var copied: UInt64

    /// Merges a disk and those between into an ancestor, or an ancestor and those between into a disk.
    ///
    /// A crash at any moment leaves what the next command that writes finishes.
    ///
    /// - Parameters:
    ///   - source: the disk that is merged.
    ///   - target: the disk that stays, an ancestor or a descendant; nil for the source's parent.
    ///   - root: the folder beneath which parents and children are looked for.
    public static func merge(
        _ source: FilePath, into target: FilePath? = nil, beneath root: FilePath, progress: DiskProgress? = nil
    ) throws(DiskError) -> DiskMerge {
        let folder = try reaching(root.string) { () throws(StorageError) in try Folder(opening: root) }
        let from = try LabPath.location(of: source, beneath: folder.path)
        let to = try target.map { (path) throws(DiskError) in
            try LabPath.location(of: path, beneath: folder.path)
        }
        return try merge(from, into: to, in: folder, progress: progress)
    }

    package static func merge(
        _ source: [String], into target: [String]?, in tree: any NamedFiles, progress: DiskProgress? = nil
    ) throws(DiskError) -> DiskMerge {
        for disk in [source, target].compactMap(\.self) { try DiskRecovery.finish(disk, in: tree) }
        let disks = try Subjects(source, target, in: tree).merged.map(\.location)
        let claims = try DiskRecovery.claim(disks, in: tree)
        defer { withExtendedLifetime(claims) {} }
        // Until they were claimed, others may have changed them.
        let subjects = try Subjects(source, target, in: tree)
        guard subjects.merged.map(\.location) == disks else {
            throw DiskError(
                .inUse, path: tree.path(of: source), "another command has changed the disks meanwhile: look again")
        }
        return subjects.isForward
            ? try intoDescendant(subjects.chain, upTo: subjects.end, in: tree, progress: progress)
            : try intoAncestor(subjects.merged, in: tree, progress: progress)
    }

    /// The disks that a merge is about.
    private struct Subjects {
        /// The disk nearest to the leaf, with all its ancestors.
        let chain: [any DiskImage]
        /// The farthest that is merged.
        let end: Int
        /// Whether the nearest is the one that stays.
        let isForward: Bool

        var merged: [any DiskImage] { Array(chain[...end]) }

        init(_ source: [String], _ target: [String]?, in tree: any NamedFiles) throws(DiskError) {
            var walk = ChainWalk(tree, root: nil, resolver: nil)
            try walk.begin(source, format: nil, access: .readOnly, expecting: nil)
            try walk.follow()
            guard target != nil || walk.images.count > 1 else {
                throw DiskError(.invalidArgument, path: tree.path(of: source), "the disk has no parent to merge into")
            }
            let ancestor = walk.images.dropFirst().firstIndex { target == nil || $0.location == target }
            if let ancestor {
                (chain, end, isForward) = (walk.images, ancestor, false)
                return
            }
            try walk.begin(target ?? source, format: nil, access: .readOnly, expecting: nil)
            try walk.follow()
            guard let end = walk.images.dropFirst().firstIndex(where: { $0.location == source }) else {
                throw DiskError(
                    .invalidArgument, path: tree.path(of: source),
                    "neither disk grew from the other, and only disks of one chain can be merged",
                    found: tree.path(of: target ?? source))
            }
            (chain, self.end, isForward) = (walk.images, end, true)
        }
    }

    /// Merges all but the last into the last.
    private static func intoAncestor(
        _ images: [any DiskImage], in tree: any NamedFiles, progress: DiskProgress?
    ) throws(DiskError) -> DiskMerge {
        let family = try DiskFamily(in: tree)
        guard let leaf = images.first, let target = images.last else { return empty(tree) }
        for (child, parent) in zip(images, images.dropFirst()) {
            let others = family.children(of: parent).filter { $0 != child.location }
            guard others.isEmpty else {
                throw DiskError(
                    .inUse, path: parent.store.name,
                    "other disks grew from this one and would change with it: merge it into its child instead, "
                        + "with --into \(child.store.name)",
                    found: others.map { tree.path(of: $0) }.joined(separator: ", "))
            }
        }
        let dependents = family.children(of: leaf)
        let claims = try DiskRecovery.claim(dependents, in: tree)
        defer { withExtendedLifetime(claims) {} }
        let last = images.count - 1
        let down = DiskTransfer(images: images, sources: 0..<last)
        let up = DiskTransfer(images: images, sources: 1..<images.count)
        let (downward, upward) = try reaching(leaf.store.name) { () throws(StorageError) in
            (try down.total(), try up.total())
        }
        if upward < downward / 2, try canTakePlace(leaf, of: target, in: tree) {
            try checkSpace(up.space(in: leaf), for: leaf, in: tree)
            return try takePlace(images, dependents, upward, in: tree, progress: progress)
        }
        try checkSpace(down.space(in: target), for: target, in: tree)
        let journal = DiskJournal(.merging, of: target.location, sources: images.dropLast().reversed().map(\.location))
        try journal.commit(in: tree)
        return try finish(journal, in: tree, progress: progress)
    }

    static func checkSpace(_ needed: UInt64, for disk: any DiskImage, in tree: any NamedFiles) throws(DiskError) {
        let name = disk.store.name
        let available = try reaching(name) { () throws(StorageError) in
            try tree.availableSpace(for: disk.location)
        }
        guard let available, available < needed else { return }
        throw DiskError(
            .noSpace, path: name, "there is too little space where the disk lies", field: "free bytes",
            expected: "\(needed)", found: "\(available)")
    }

    static func empty(_ tree: any NamedFiles) -> DiskMerge {
        DiskMerge(target: FilePath(tree.name), removed: [], kept: [], relinked: [], copied: 0)
    }
}

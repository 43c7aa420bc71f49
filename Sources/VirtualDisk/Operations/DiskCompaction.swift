// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

package import BlockStorage
public import SystemPackage

/// What compacting a disk gave back.
///
/// ```
///   header | A | zeros | B | like the parent's | gap | C      the disk
///   header | A | B | C                                        made beside it, durable, then put in its place
/// ```
///
/// The disk reads as before and stays the same one to its children. A crash at any moment leaves it as it was or as it
/// will be.
public struct DiskCompaction: Hashable, Sendable {
    /// The disk's file.
    public var path: FilePath
    /// The space that the file took before, in bytes.
    public var before: UInt64
    /// The space that it takes now.
    public var after: UInt64
    /// The blocks that need not be stored any more; a raw disk has none.
    public var removedBlocks: Int
    /// What is odd about the disk and its parents.
    public var warnings: [DiskWarning]

    /// Gives back what a disk need not store, and moves the rest together.
    ///
    /// A block goes that holds nothing of its own, that is zeros where there is no parent, or that equals what the
    /// parents read as, unless one of these seems to have changed since the disk grew from it. A VHD whose bitmaps
    /// hide data is refused. A raw disk gets holes where it is zeros. Nobody else may be writing to the disk, which
    /// may have children.
    ///
    /// - Parameter root: the folder beneath which parents are looked for.
    public static func compact(
        _ path: FilePath, beneath root: FilePath, format: DiskFormat? = nil, progress: DiskProgress? = nil
    ) throws(DiskError) -> DiskCompaction {
        let folder = try reaching(root.string) { () throws(StorageError) in try Folder(opening: root) }
        return try compact(
            LabPath.location(of: path, beneath: folder.path), in: folder, format: format, progress: progress)
    }

    package static func compact(
        _ location: [String], in tree: any NamedFiles, format: DiskFormat? = nil, progress: DiskProgress? = nil
    ) throws(DiskError) -> DiskCompaction {
        try DiskRecovery.finish(location, in: tree)
        let claims = try DiskRecovery.claim([location], in: tree)
        defer { withExtendedLifetime(claims) {} }
        let chain = try DiskChain.open(location, in: tree, access: .readOnly, format: format)
        let name = tree.path(of: location)
        let before = try reaching(name) { () throws(StorageError) in try chain.leaf.store.status() }
        var result = DiskCompaction(
            path: FilePath(name), before: before.allocated, after: before.allocated, removedBlocks: 0,
            warnings: chain.warnings)
        switch chain.leaf.kind {
        case .fixed:
            throw DiskError(
                .invalidArgument, path: name, "a fixed disk keeps all its space: convert it to a dynamic one instead")
        case .raw:
            try reaching(name) { () throws(StorageError) in
                try DiskLayout.punchZeros(in: tree.open(location, access: .readWrite), progress)
            }
        case .dynamic, .differencing:
            try refuseHiddenData(chain.leaf, in: tree)
            let survey = try reaching(name) { () throws(StorageError) in try DiskSurvey(of: chain, progress) }
            let layout = try chain.leaf.format.compacting(chain.leaf.store, survey)
            guard layout.length < before.length else { return result }
            result.removedBlocks = survey.count
            try DiskMerge.checkSpace(min(layout.length, before.allocated), for: chain.leaf, in: tree)
            try replace(chain.leaf, by: layout, modifiedAt: before.modificationTime, in: tree, progress)
        }
        result.after = try reaching(name) { () throws(StorageError) in
            try tree.open(location, access: .readOnly).status().allocated
        }
        return result
    }

    /// Refuses a VHD with data that its bitmaps hide: a repair would bring it back.
    private static func refuseHiddenData(_ disk: any DiskImage, in tree: any NamedFiles) throws(DiskError) {
        guard disk.format == .vhd else { return }
        let check = try DiskCheck.check(disk.location, in: tree, format: disk.format)
        guard let problem = check.problems.first(where: { $0.code == "bitmap-incomplete" }) else { return }
        throw DiskError(
            .malformed, path: disk.store.name, "the disk is damaged: check and repair it first", found: problem.message)
    }

    /// Makes the file anew and puts it in place.
    private static func replace(
        _ image: any DiskImage, by layout: DiskLayout, modifiedAt time: Int64, in tree: any NamedFiles,
        _ progress: DiskProgress?
    ) throws(DiskError) {
        let draft = try DiskDraft(of: image.location, in: tree, replacing: true)
        let store = try draft.makeSuccessor()
        try reaching(image.store.name) { () throws(StorageError) in
            try layout.write(from: image.store, to: store, progress)
            // It reads as before, so its children's record of it stays true.
            try store.setModificationTime(time)
        }
        try draft.commit()
    }
}

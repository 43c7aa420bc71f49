// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
public import SystemPackage

/// What a conversion of a disk made.
///
/// The source is read with all its parents, and the new disk has none.
public struct DiskConversion: Hashable, Sendable {
    /// The new file.
    public var target: FilePath
    /// How it stores the disk.
    public var format: DiskFormat
    /// The disk's size in bytes.
    public var size: UInt64
    /// The bytes that were written: what is not zero.
    public var written: UInt64

    /// Converts a disk to another file.
    ///
    /// The new file is in place once it is complete and durable; a crash leaves what was there before.
    ///
    /// - Parameters:
    ///   - source: the disk, open for reading.
    ///   - target: the new file.
    ///   - format: how it stores the disk.
    ///   - kind: fixed, or dynamic; a raw file is sparse unless it is fixed.
    ///   - replacing: whether a file that is in place already may be replaced.
    public static func convert(
        _ source: DiskChain, to target: FilePath, format: DiskFormat, kind: DiskKind = .dynamic,
        replacing: Bool = false, progress: DiskProgress? = nil
    ) throws(DiskError) -> DiskConversion {
        let draft = try DiskDraft(of: target, replacing: replacing, source: source)
        let disk = try draft.create(format: format, size: source.size, kind: kind)
        try checkSpace(for: source, draft, kind)
        let written = try reaching(target.string) { () throws(StorageError) in
            let written = try DiskCopy(source: source, target: disk.leaf).run(progress)
            try disk.close()
            return written
        }
        try draft.commit()
        return DiskConversion(target: draft.target, format: format, size: source.size, written: written)
    }

    private static func checkSpace(
        for source: DiskChain, _ draft: DiskDraft, _ kind: DiskKind
    ) throws(DiskError) {
        // A fixed disk has its space already, or could not be made.
        guard kind != .fixed else { return }
        let (needed, available) = try reaching(draft.target.string) { () throws(StorageError) in
            var needed: UInt64 = 0
            for layer in source.images { needed += try layer.store.status().allocated }
            return (min(needed, source.size), try draft.availableSpace())
        }
        guard let available, available < needed else { return }
        throw DiskError(
            .noSpace, path: draft.target.string, "there is too little space for the disk", field: "free bytes",
            expected: "\(needed)", found: "\(available)")
    }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
public import SystemPackage

extension VHDX {
    /// Creates a disk without a parent, durable on return except for its name in its folder.
    ///
    /// - Parameters:
    ///   - path: a file that does not exist yet.
    ///   - size: a multiple of 512 up to 64 TiB.
    ///   - kind: fixed or dynamic.
    ///   - permissions: what the process's mask is taken from.
    public static func create(
        at path: FilePath, size: UInt64, kind: DiskKind = .dynamic, permissions: FilePermissions = newFile
    ) throws(DiskError) {
        guard kind == .fixed || kind == .dynamic else {
            throw DiskError(.invalidArgument, path: path.string, "a disk without a parent is fixed or dynamic")
        }
        guard size > 0, size % 512 == 0, size <= largestSize else {
            throw DiskError(
                .invalidArgument, path: path.string, "a VHDX cannot have this size", field: "size",
                expected: "a multiple of 512 up to 64 TiB", found: "\(size)")
        }
        let metadata = VHDXMetadata(
            blockSize: blockSize(for: size), flags: kind == .fixed ? VHDXMetadata.leavesBlocksAllocated : 0,
            size: size, diskIdentity: .random())
        try DiskFormat.writeNew(at: path, permissions) { (store) throws(StorageError) in
            try write(metadata, to: store)
        }
    }

    /// Creates an empty child of a disk, durable on return except for its name in its folder.
    ///
    /// It names its parent by a path relative to its own folder, and records what the parent's content is known by. The
    /// parent's file is only read, and may be in use as the leaf of a chain.
    public static func createChild(
        at path: FilePath, of parent: FilePath, permissions: FilePermissions = newFile
    ) throws(DiskError) {
        let store = try reaching(parent.string) { () throws(StorageError) in
            try FileStore(opening: parent, access: .readOnly)
        }
        let header = try VHDXHeaderPair(store).current
        let replayed: any ByteStore =
            header.log == .zero ? store : VHDXReplayedStore(store, try VHDXReplay(store, header))
        let original = try VHDXMetadata(replayed, VHDXRegionTable.read(replayed).table.metadata)
        var metadata = VHDXMetadata(
            blockSize: blockSize(for: original.size), flags: VHDXMetadata.hasParent, size: original.size,
            diskIdentity: original.diskIdentity)
        metadata.sectorSize = original.sectorSize
        metadata.physicalSectorSize = original.physicalSectorSize
        metadata.locator = VHDXParentLocator(
            parent: header.dataWrite, relativePath: try LabPath.relative(to: parent, from: path))
        try DiskFormat.writeNew(at: path, permissions) { [metadata] (store) throws(StorageError) in
            try write(metadata, to: store)
        }
    }

    /// The permissions of a new file that is nobody's in particular.
    public static var newFile: FilePermissions { FileStore.newFile }

    /// Writes a disk that has no block yet, or all of them if it is fixed.
    private static func write(_ metadata: VHDXMetadata, to store: any ByteStore) throws(StorageError) {
        let logOffset = alignment
        let metadataRegion = logOffset + UInt64(logLength)..<logOffset + UInt64(logLength) + alignment
        var table = VHDXTable(metadata)
        let tableStart = metadataRegion.upperBound
        let tableRegion = tableStart..<tableStart + roundUp(table.byteCount, to: alignment)
        var end = tableRegion.upperBound
        try store.truncate(to: end)
        if metadata.kind == .fixed {
            let blockSize = UInt64(metadata.blockSize)
            try store.allocate(end..<end + UInt64(table.blocks) * blockSize)
            for block in 0..<table.blocks {
                table[table.index(ofBlock: block)] = VHDXEntry(.fullyPresent, at: end)
                end += blockSize
            }
            for page in 0..<table.pageCount {
                try store.write(table.bytes(ofPage: page), at: tableStart + UInt64(page * VHDX.page))
            }
        }
        let creator = VHDXStructure.creator.utf16.flatMap(\.littleEndianBytes)
        try store.write(VHDXHeaderPair.fileSignature + creator, at: 0)
        try store.write(metadata.bytes(), at: metadataRegion.lowerBound)
        let regions = try VHDXRegionTable(table: tableRegion, metadata: metadataRegion).bytes()
        for offset in VHDXRegionTable.offsets { try store.write(regions, at: offset) }
        var header = VHDXHeader(
            sequence: 0, fileWrite: .random(), dataWrite: .random(), logLength: logLength, logOffset: logOffset)
        for offset in VHDXHeaderPair.offsets {
            header.sequence += 1
            try store.write(header.bytes(), at: offset)
        }
    }
}

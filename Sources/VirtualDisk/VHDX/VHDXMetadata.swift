// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage

/// What the metadata says of the disk.
///
/// ```
///   0  "metadata"    10  number of entries
///  32  entries of 32 bytes: identity, 16: offset, 20: length, 24: flags (user, virtual disk, required)
///  64 KiB  the items, anywhere
/// ```
struct VHDXMetadata: Hashable, Sendable {
    /// The file parameters' flags.
    static let leavesBlocksAllocated: UInt32 = 1
    static let hasParent: UInt32 = 2

    var blockSize: UInt32
    var flags: UInt32
    var size: UInt64
    var diskIdentity: DiskIdentity
    var sectorSize: UInt32 = 512
    var physicalSectorSize: UInt32 = 4096
    var locator: VHDXParentLocator?

    var kind: DiskKind {
        if flags & Self.hasParent != 0 { return .differencing }
        return flags & Self.leavesBlocksAllocated != 0 ? .fixed : .dynamic
    }

    init(blockSize: UInt32, flags: UInt32, size: UInt64, diskIdentity: DiskIdentity) {
        self.blockSize = blockSize
        self.flags = flags
        self.size = size
        self.diskIdentity = diskIdentity
        // Readers refuse a disk that ends within a physical sector.
        if size % 4096 != 0 { physicalSectorSize = 512 }
    }

    /// Reads the items of a region.
    init(_ store: any ByteStore, _ region: Range<UInt64>) throws(DiskError) {
        let path = store.name
        let items = try VHDXMetadataItems(store, region)
        let parameters = try items.required(.fileParameters, of: 8)
        blockSize = try parameters.integer(at: 0)
        flags = try parameters.integer(at: 4)
        size = try items.required(.size, of: 8).integer(at: 0)
        diskIdentity = try DiskIdentity(items.required(.diskIdentity, of: 16), at: 0)
        sectorSize = try items.required(.sectorSize, of: 4).integer(at: 0)
        physicalSectorSize = try items.required(.physicalSectorSize, of: 4).integer(at: 0)
        #if FERMATA_PLANTED_BUG
            _ = size / UInt64(sectorSize)
        #endif
        guard VHDX.blockSizes.contains(blockSize), blockSize.nonzeroBitCount == 1 else {
            throw .malformed(path, "block size", expected: "a power of two from 1 to 256 MiB", found: blockSize)
        }
        guard sectorSize == 512 || sectorSize == 4096 else {
            throw .malformed(path, "logical sector size", expected: "512 or 4096", found: sectorSize)
        }
        guard physicalSectorSize == 512 || physicalSectorSize == 4096 else {
            throw .malformed(path, "physical sector size", expected: "512 or 4096", found: physicalSectorSize)
        }
        guard size > 0, size % UInt64(sectorSize) == 0, size <= VHDX.largestSize else {
            throw .malformed(path, "size", expected: "a multiple of \(sectorSize) up to 64 TiB", found: size)
        }
        guard kind == .differencing else { return }
        guard let item = try items.item(.parentLocator) else {
            throw .malformed(path, "parent locator", expected: "one, for the disk has a parent", found: "none")
        }
        locator = try VHDXParentLocator(item)
    }

    /// A region as it goes to the file: its first bytes, what follows is not used.
    func bytes() throws(StorageError) -> [UInt8] {
        var items: [(VHDXMetadataItems.Item, [UInt8])] = [
            (.fileParameters, blockSize.littleEndianBytes + flags.littleEndianBytes),
            (.size, size.littleEndianBytes), (.diskIdentity, diskIdentity.mixed),
            (.sectorSize, sectorSize.littleEndianBytes), (.physicalSectorSize, physicalSectorSize.littleEndianBytes),
        ]
        if let locator { items.append((.parentLocator, try locator.bytes())) }
        return try VHDXMetadataItems.bytes(items)
    }
}

extension FixedWidthInteger {
    /// The number's bytes, the lowest first.
    var littleEndianBytes: [UInt8] {
        (0..<Self.bitWidth / 8).map { UInt8(truncatingIfNeeded: self >> Self(8 * $0)) }
    }
}

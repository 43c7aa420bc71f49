// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage

extension VHDXCheck {
    /// Checks the items, of which there is no copy: what they say contradicts the format, or is taken for right.
    mutating func checkMetadata(_ region: Range<UInt64>) throws(DiskError) -> VHDXMetadata? {
        let store = store
        let items = try reading("metadata-damaged") { () throws(DiskError) in try VHDXMetadataItems(store, region) }
        guard let items else { return nil }
        for (item, value, offset) in items.flags where value != item.flags {
            add(
                "item-flags", "the flags of the item \(item.rawValue) are \(value), where the format has \(item.flags)",
                repair: [replace(offset, with: item.flags.littleEndianBytes)])
        }
        let found = try reading("metadata-damaged") { () throws(DiskError) in try VHDXMetadata(store, region) }
        guard let metadata = found else { return nil }
        let known = VHDXMetadata.leavesBlocksAllocated | VHDXMetadata.hasParent
        if metadata.flags & ~known != 0, let parameters = items.range(of: .fileParameters) {
            add(
                "parameter-flags", "the file parameters have flags that the format does not know: \(metadata.flags)",
                repair: [replace(parameters.lowerBound + 4, with: (metadata.flags & known).littleEndianBytes)])
        }
        if metadata.kind != .differencing, items.range(of: .parentLocator) != nil {
            findings.add("locator", "the disk has a parent locator, and its file parameters say that it has no parent")
        }
        if metadata.size % UInt64(metadata.physicalSectorSize) != 0 {
            findings.add(
                "size",
                "the disk's size of \(metadata.size) bytes is no multiple of its physical sector size of "
                    + "\(metadata.physicalSectorSize), as it should be")
        }
        return metadata
    }
}

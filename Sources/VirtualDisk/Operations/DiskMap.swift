// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

public import BlockStorage

/// A run of bytes of a disk, and which of its files has them.
public struct DiskExtent: Hashable, Sendable {
    /// Where the run lies, in bytes.
    public var range: Range<UInt64>
    /// Whether bytes are stored for it; else it reads as zeros.
    public var isData: Bool
    /// How many disks lie between the leaf and the one that has it; for what none has, the base's number.
    public var depth: Int
}

extension DiskChain {
    /// Tells for the whole disk which file has what, in order and without gaps.
    public func map() throws(StorageError) -> [DiskExtent] {
        let images = self.images
        var map: [DiskExtent] = []
        func append(_ range: Range<UInt64>, _ isData: Bool, _ depth: Int) {
            if let last = map.last, last.isData == isData, last.depth == depth {
                map[map.count - 1].range = last.range.lowerBound..<range.upperBound
            } else {
                map.append(DiskExtent(range: range, isData: isData, depth: depth))
            }
        }
        var sector: UInt64 = 0
        while sector < size / 512 {
            var limit = size / 512 - sector
            var found = (place: SectorRun.Place.absent, depth: images.count - 1)
            for (depth, image) in images.enumerated() {
                let run = try image.locate(sector, count: limit)
                limit = run.count
                guard run.place != .absent else { continue }
                found = (run.place, depth)
                break
            }
            let start = sector * 512
            if case .stored(let offset) = found.place, images[found.depth].isFlat {
                // The file itself may have holes.
                for part in try images[found.depth].store.extents(in: offset..<offset + limit * 512, limit: .max) {
                    let range = part.range.lowerBound - offset + start..<part.range.upperBound - offset + start
                    append(range, part.kind == .data, found.depth)
                }
            } else {
                append(start..<start + limit * 512, found.place != .absent && found.place != .zeros, found.depth)
            }
            sector += limit
        }
        return map
    }
}

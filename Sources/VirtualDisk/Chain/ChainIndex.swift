// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage

/// Which of a chain's images have anything in each part of the disk, so that a read asks no other.
///
/// The images are those that change no more. The numbers of a part's images stand in `entries`, nearest to the leaf
/// first, between two neighbouring `starts`.
final class ChainIndex: Sendable {
    /// The images, nearest to the leaf first.
    let images: [any DiskImage]
    /// The sectors of one part: those of the largest block, so that no image's block reaches into two.
    let partSectors: UInt64

    private let starts: [UInt32]
    private let entries: [UInt16]

    init(_ images: [any DiskImage], size: UInt64) {
        self.images = images
        partSectors = images.map(\.blockSectors).filter { $0 != .max }.max() ?? Self.flatPart
        guard images.contains(where: { !$0.isFlat }) else {
            starts = []
            entries = images.indices.map { UInt16($0) }
            return
        }
        let count = (size / 512 + partSectors - 1) / partSectors
        var starts: [UInt32] = []
        var entries: [UInt16] = []
        starts.reserveCapacity(Int(count) + 1)
        for part in 0..<count {
            starts.append(UInt32(entries.count))
            let sectors = part * partSectors..<min((part + 1) * partSectors, size / 512)
            for (number, image) in images.enumerated() where image.holdsAnything(in: sectors) {
                entries.append(UInt16(number))
            }
        }
        starts.append(UInt32(entries.count))
        self.starts = starts
        self.entries = entries
    }

    private static let flatPart: UInt64 = 4096

    /// Looks a run of sectors up; its offset is nil when no image has them.
    func locate(_ sector: UInt64, count: UInt64) throws(StorageError) -> (image: (any DiskImage)?, run: SectorRun) {
        let part = sector / partSectors
        let range =
            starts.isEmpty ? entries.indices : Int(starts[Int(part)])..<Int(starts[Int(part) + 1])
        var limit = starts.isEmpty ? count : min(count, (part + 1) * partSectors - sector)
        for position in range {
            let image = images[Int(entries[position])]
            let run = try image.locate(sector, count: limit)
            if run.offset != nil { return (image, run) }
            limit = run.count
        }
        return (nil, SectorRun(count: limit, offset: nil))
    }
}

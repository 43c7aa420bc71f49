// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import Synchronization

/// Which of a chain's images has each sector, so that a read costs the same however long the chain is.
///
/// The images are those that change no more. Opening a chain notes which of them have a block in each part of the disk:
/// the numbers of a part's images stand in `entries`, nearest to the leaf first, between two neighbouring `starts`. A
/// part of which several have a block is merged from their bitmaps when it is first read, and kept:
///
/// ```
///   nearest   --AA----------      ┐
///             -BBB---B------      ├►   - B A A ---- B -- C C C C C    one list of runs,
///   farthest  ---C------CCCCC     ┘                                   each with its place in a file
/// ```
final class ChainIndex: Sendable {
    /// The images, nearest to the leaf first.
    let images: [any DiskImage]
    /// The sectors of one part: those of the largest block, so that no image's block reaches into two.
    let partSectors: UInt64

    /// What has everything that no image before it has, if the chain ends so.
    private let flat: (any DiskImage)?
    private let starts: [UInt32]
    private let entries: [UInt16]
    private let merged: Mutex<MergedParts> = Mutex(MergedParts())

    init(_ images: [any DiskImage], size: UInt64) {
        self.images = images
        flat = images.last.flatMap { $0.isFlat ? $0 : nil }
        let sparse = images.filter { !$0.isFlat }
        partSectors = sparse.map(\.blockSectors).max() ?? UInt64.max
        guard !sparse.isEmpty else {
            starts = []
            entries = []
            return
        }
        // Counted first, so that every number can be put in its place at once.
        let count = Int((size / 512 + partSectors - 1) / partSectors)
        var starts = [UInt32](repeating: 0, count: count + 1)
        let parts = sparse.map { [partSectors] in Self.parts(of: $0, partSectors: partSectors) }
        for part in parts.joined() where part < count { starts[Int(part) + 1] += 1 }
        for part in 0..<count { starts[part + 1] += starts[part] }
        var entries = [UInt16](repeating: 0, count: Int(starts[count]))
        var next = starts
        for (number, list) in parts.enumerated() {
            for part in list where part < count {
                entries[Int(next[Int(part)])] = UInt16(number)
                next[Int(part)] += 1
            }
        }
        self.starts = starts
        self.entries = entries
    }

    /// The parts of which an image has a block, each once.
    private static func parts(of image: any DiskImage, partSectors: UInt64) -> [UInt32] {
        let blocks = image.presentBlocks
        let ratio = UInt32(truncatingIfNeeded: partSectors / image.blockSectors)
        guard ratio > 1 else { return blocks }
        var parts: [UInt32] = []
        for block in blocks where parts.last != block / ratio { parts.append(block / ratio) }
        return parts
    }

    /// Looks a run of sectors up; without an image they are zeros.
    func locate(_ sector: UInt64, count: UInt64) throws(StorageError) -> (image: (any DiskImage)?, run: SectorRun) {
        guard !starts.isEmpty else {
            return try locate(sector, count: count, in: flat)
        }
        let part = sector / partSectors
        let first = part * partSectors
        let limit = min(count, first + partSectors - sector)
        let range = Int(starts[Int(part)])..<Int(starts[Int(part) + 1])
        guard !range.isEmpty else {
            return try locate(sector, count: limit, in: flat)
        }
        if range.count == 1, flat == nil {
            return try locate(sector, count: limit, in: images[Int(entries[range.lowerBound])])
        }
        let place = UInt32(truncatingIfNeeded: sector - first)
        if let known = merged.withLock({ $0.find(part, place, limit) }) {
            return (image(known.image), known.run)
        }
        let found = try merge(part, range).find(place, limit)
        return (image(found.image), found.run)
    }

    private func image(_ number: UInt16) -> (any DiskImage)? {
        number == MergedPart.nothing ? nil : images[Int(number)]
    }

    private func locate(
        _ sector: UInt64, count: UInt64, in image: (any DiskImage)?
    ) throws(StorageError) -> (image: (any DiskImage)?, run: SectorRun) {
        guard let image else { return (nil, SectorRun(count: count, offset: nil)) }
        let run = try image.locate(sector, count: count)
        return (run.offset == nil ? nil : image, run)
    }

    /// Asks every image of a part for all that it has there.
    private func merge(_ part: UInt64, _ range: Range<Int>) throws(StorageError) -> MergedPart {
        let first = part * partSectors
        let sectors = min(partSectors, images[0].size / 512 - first)
        var gaps: [Range<UInt64>] = [first..<first + sectors]
        var runs: [MergedPart.Run] = []
        var numbers = entries[range].map { $0 }
        if flat != nil { numbers.append(UInt16(images.count - 1)) }
        for number in numbers where !gaps.isEmpty {
            var left: [Range<UInt64>] = []
            for gap in gaps {
                var sector = gap.lowerBound
                while sector < gap.upperBound {
                    let run = try images[Int(number)].locate(sector, count: gap.upperBound - sector)
                    let start = UInt32(truncatingIfNeeded: sector - first)
                    switch run.place {
                    case .absent: left.append(sector..<sector + run.count)
                    case .zeros: runs.append(MergedPart.Run(start: start, image: MergedPart.nothing, offset: 0))
                    case .stored(let offset):
                        runs.append(MergedPart.Run(start: start, image: number, offset: offset))
                    }
                    sector += run.count
                }
            }
            gaps = left
        }
        for gap in gaps {
            runs.append(
                MergedPart.Run(
                    start: UInt32(truncatingIfNeeded: gap.lowerBound - first), image: MergedPart.nothing, offset: 0))
        }
        runs.sort { $0.start < $1.start }
        let merged = MergedPart(runs: runs, sectors: UInt32(truncatingIfNeeded: sectors))
        self.merged.withLock { $0.keep(merged, for: part) }
        return merged
    }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage

/// Copies what some disks of a chain have into another disk of it.
struct DiskTransfer {
    /// A chain's disks, the leaf first.
    let images: [any DiskImage]
    /// Which of them have what is to be copied, where no disk nearer to the leaf hides it.
    let sources: Range<Int>

    /// The longest piece that is copied at once, so that progress is seen.
    private static let piece: UInt64 = (16 << 20) / 512

    /// Tells each run that is to be copied, in order.
    private func forEachRun(
        _ body: (_ image: any DiskImage, _ sector: UInt64, _ run: SectorRun) throws(StorageError) -> Void
    ) throws(StorageError) {
        guard let size = images.first?.size else { return }
        var sector: UInt64 = 0
        while sector < size / 512 {
            var limit = min(size / 512 - sector, Self.piece)
            for (index, image) in images.enumerated() {
                let run = try image.locate(sector, count: limit)
                limit = run.count
                guard run.place != .absent else { continue }
                if sources.contains(index) { try body(image, sector, run) }
                break
            }
            sector += limit
        }
    }

    /// The bytes that are to be copied.
    func total() throws(StorageError) -> UInt64 {
        var total: UInt64 = 0
        try forEachRun { _, _, run in total += run.count * 512 }
        return total
    }

    /// The space that the target will take in addition, at most.
    func space(in target: any DiskImage) -> UInt64 {
        let part = target.isFlat ? 4096 : target.blockSectors
        var parts: Set<UInt64> = []
        for image in images[sources] {
            guard !image.isFlat else {
                parts.formUnion(0..<(target.size / 512 + part - 1) / part)
                continue
            }
            for block in image.presentBlocks {
                let first = UInt64(block) * image.blockSectors
                parts.formUnion(first / part...(first + image.blockSectors - 1) / part)
            }
        }
        let blocks = UInt64(
            target.isFlat ? parts.count : parts.subtracting(target.presentBlocks.map(UInt64.init)).count)
        // Beside the data, a block has its bitmap and a gap.
        return blocks * (part * 512 + 8192)
    }

    /// Copies; nothing is durable before the target is flushed.
    func copy(into target: any DiskImage, total: UInt64, progress: DiskProgress?) throws(StorageError) {
        var done: UInt64 = 0
        var buffer = [UInt8](repeating: 0, count: 2 << 20)
        try forEachRun { (image, sector, run) throws(StorageError) in
            try copy(run, of: image, at: sector, into: target, through: &buffer)
            done += run.count * 512
            try progress?(done, total)
        }
    }

    private func copy(
        _ run: SectorRun, of image: any DiskImage, at sector: UInt64, into target: any DiskImage,
        through buffer: inout [UInt8]
    ) throws(StorageError) {
        guard let start = run.offset else {
            return try Self.erase(sector, run.count, target)
        }
        guard image.isFlat else {
            return try copy(image, sector, at: start, count: run.count, into: target, through: &buffer)
        }
        // A file that is the disk itself is a base, and what is a hole there is nowhere.
        for part in try image.store.extents(in: start..<start + run.count * 512, limit: .max) where part.kind == .data {
            let first = part.range.lowerBound / 512
            let end = (part.range.upperBound + 511) / 512
            try copy(
                image, sector + first - start / 512, at: first * 512, count: end - first, into: target,
                through: &buffer)
        }
    }

    private func copy(
        _ image: any DiskImage, _ sector: UInt64, at start: UInt64, count: UInt64, into target: any DiskImage,
        through buffer: inout [UInt8]
    ) throws(StorageError) {
        var done: UInt64 = 0
        while done < count {
            let length = min(count - done, UInt64(buffer.count) / 512)
            do {
                var span = buffer.mutableSpan
                var bytes = unsafe span.mutableBytes
                var part = bytes._mutatingExtracting(first: Int(length) * 512)
                try image.store.readFully(into: &part, at: start + done * 512)
            }
            try Self.write(unsafe buffer.span.bytes.extracting(first: Int(length) * 512), sector + done, target)
            done += length
        }
    }

    static func write(
        _ bytes: RawSpan, _ sector: UInt64, _ target: any DiskImage
    ) throws(StorageError) {
        try target.gate.write { () throws(StorageError) in
            var done: UInt64 = 0
            while done < UInt64(bytes.byteCount) / 512 {
                let place = try target.place(sector + done, count: UInt64(bytes.byteCount) / 512 - done)
                guard let offset = place.offset else {
                    throw StorageError(.corrupt, name: target.store.name, detail: "has no place for what is copied")
                }
                try target.store.write(
                    bytes.extracting(Int(done) * 512..<Int(done + place.count) * 512), at: offset)
                // So that the flush at the end finds little left to do.
                target.store.beginWriteback(offset..<offset + place.count * 512)
                try target.commit(sector + done, count: place.count)
                done += place.count
            }
        }
    }

    /// Makes sectors read as zeros, whatever the parents have.
    private static func erase(_ sector: UInt64, _ count: UInt64, _ target: any DiskImage) throws(StorageError) {
        var done: UInt64 = 0
        while done < count {
            try target.gate.write { () throws(StorageError) in
                let erased = try target.erase(sector + done, count: count - done)
                guard erased == 0 else {
                    done += erased
                    return
                }
                let place = try target.place(sector + done, count: count - done)
                guard let offset = place.offset else {
                    throw StorageError(.corrupt, name: target.store.name, detail: "has no place for what is copied")
                }
                try target.store.writeZeroes(offset..<offset + place.count * 512)
                try target.commit(sector + done, count: place.count)
                done += place.count
            }
        }
    }

    /// Makes every sector of the target's blocks its own, those that nobody has as zeros.
    ///
    /// A disk without a parent is read by many programs as if its blocks were whole.
    static func complete(_ target: any DiskImage) throws(StorageError) {
        for block in target.presentBlocks {
            var sector = UInt64(block) * target.blockSectors
            let end = min(sector + target.blockSectors, target.size / 512)
            while sector < end {
                let run = try target.locate(sector, count: end - sector)
                if run.place == .absent {
                    try target.gate.write { () throws(StorageError) in
                        let place = try target.place(sector, count: run.count)
                        guard let offset = place.offset else { return }
                        try target.store.writeZeroes(offset..<offset + place.count * 512)
                        try target.commit(sector, count: place.count)
                    }
                }
                sector += run.count
            }
        }
    }
}

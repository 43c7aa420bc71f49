// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import Glibc

/// Copies all that a disk reads as to a disk that reads as zeros, which takes no space for what is zero.
struct DiskCopy {
    let source: DiskChain
    let target: any DiskImage

    /// What is read at once: a block of a new disk.
    private static let piece: UInt64 = 4096
    /// Zeros of this many bytes are left out.
    private static let grain = 64 << 10

    /// Copies; nothing is durable before the target is flushed.
    ///
    /// - Returns: the bytes that were written.
    func run(_ progress: DiskProgress?) throws(StorageError) -> UInt64 {
        let total = source.size / 512
        var buffer = [UInt8](repeating: 0, count: Int(Self.piece) * 512)
        var written: UInt64 = 0
        var sector: UInt64 = 0
        while sector < total {
            let count = min(Self.piece, total - sector)
            if try fill(&buffer, sector, count) {
                written += try write(buffer, sector, count)
                sector += count
            } else {
                sector = try nextData(after: sector + count) ?? total
            }
            progress?(min(sector, total) * 512, total * 512)
        }
        return written
    }

    /// Where the next piece begins that may hold something; nil when there is none.
    private func nextData(after sector: UInt64) throws(StorageError) -> UInt64? {
        // Only a file that is the whole disk tells where its next data is.
        guard source.leaf.isFlat, sector < source.size / 512 else { return sector }
        guard let data = try source.leaf.store.nextData(from: sector * 512) else { return nil }
        return max(sector, data.lowerBound / 512 / Self.piece * Self.piece)
    }

    /// Reads a piece.
    ///
    /// - Returns: whether any file has something of it.
    private func fill(_ buffer: inout [UInt8], _ first: UInt64, _ count: UInt64) throws(StorageError) -> Bool {
        var hasData = false
        var span = buffer.mutableSpan
        var bytes = unsafe span.mutableBytes
        var sector = first
        while sector < first + count {
            let (image, run) = try source.locate(sector, count: first + count - sector)
            var part = bytes._mutatingExtracting(
                Int(sector - first) * 512..<Int(sector - first + run.count) * 512)
            sector += run.count
            guard let image, let offset = run.offset else {
                part.fillWithZeros()
                continue
            }
            let range = offset..<offset + run.count * 512
            // A file that is the disk itself tells where its holes are, which need not be read.
            for extent in try image.isFlat ? image.store.extents(in: range, limit: .max) : [Extent(range, .data)] {
                var piece = part._mutatingExtracting(
                    Int(extent.range.lowerBound - offset)..<Int(extent.range.upperBound - offset))
                if extent.kind == .hole {
                    piece.fillWithZeros()
                } else {
                    try image.store.readFully(into: &piece, at: extent.range.lowerBound)
                    hasData = true
                }
            }
        }
        return hasData
    }

    /// Writes what is not zero of a piece.
    private func write(_ buffer: [UInt8], _ sector: UInt64, _ count: UInt64) throws(StorageError) -> UInt64 {
        let length = Int(count) * 512
        var written: UInt64 = 0
        var start = 0
        while start < length {
            guard !Self.isZero(buffer, start, min(Self.grain, length - start)) else {
                start += Self.grain
                continue
            }
            var end = min(start + Self.grain, length)
            while end < length, !Self.isZero(buffer, end, min(Self.grain, length - end)) {
                end = min(end + Self.grain, length)
            }
            try DiskTransfer.write(
                unsafe buffer.span.bytes.extracting(start..<end), sector + UInt64(start) / 512, target)
            written += UInt64(end - start)
            start = end
        }
        return written
    }

    /// Whether two buffers begin with the same bytes.
    static func isSame(_ one: [UInt8], _ other: [UInt8], _ count: Int) -> Bool {
        unsafe one.withUnsafeBytes { one in
            unsafe other.withUnsafeBytes { other in
                guard let left = one.baseAddress, let right = other.baseAddress else { return true }
                return unsafe memcmp(left, right, count) == 0
            }
        }
    }

    static func isZero(_ buffer: [UInt8], _ start: Int, _ count: Int) -> Bool {
        unsafe buffer.withUnsafeBytes { bytes in
            guard let base = bytes.baseAddress, count > 0 else { return true }
            let first = unsafe base + start
            // All bytes are alike when each equals its neighbour.
            return unsafe first.load(as: UInt8.self) == 0 && memcmp(first, first + 1, count - 1) == 0
        }
    }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import Glibc

/// Copies all that a disk reads as to a disk that reads as zeros, which takes no space for what is zero.
struct DiskCopy {
    let source: DiskChain
    let target: any DiskImage

    /// Zeros of this many bytes are left out.
    private static let grain = 64 << 10

    /// Copies; nothing is durable before the target is flushed.
    ///
    /// - Returns: the bytes that were written.
    func run(_ progress: DiskProgress?) throws(StorageError) -> UInt64 {
        let reader = PieceReader(of: source)
        defer { reader.stop() }
        var written: UInt64 = 0
        while let piece = try reader.next() {
            for range in piece.stored { written += try write(range, of: piece) }
            try progress?(piece.sectors.upperBound * 512, source.size)
            reader.recycle(piece)
        }
        try progress?(source.size, source.size)
        return written
    }

    /// Writes what is not zero of a part of a piece.
    private func write(_ range: Range<Int>, of piece: PieceReader.Piece) throws(StorageError) -> UInt64 {
        func isZero(_ start: Int) -> Bool {
            Self.isZero(piece.bytes, start, min(Self.grain, range.upperBound - start))
        }
        var written: UInt64 = 0
        var start = range.lowerBound
        while start < range.upperBound {
            guard !isZero(start) else {
                start += Self.grain
                continue
            }
            var end = min(start + Self.grain, range.upperBound)
            while end < range.upperBound, !isZero(end) { end = min(end + Self.grain, range.upperBound) }
            try DiskTransfer.write(
                unsafe piece.bytes.span.bytes.extracting(start..<end),
                piece.sectors.lowerBound + UInt64(start) / 512, target)
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

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

public import BlockStorage
import Glibc

/// In which sectors two disks differ.
public struct DiskDifference: Hashable, Sendable {
    /// The runs of bytes that differ, in order; what only one of the disks has differs.
    public var ranges: [Range<UInt64>]

    /// Whether the disks are alike.
    public var isEmpty: Bool { ranges.isEmpty }

    /// Compares what two disks read as.
    ///
    /// What both read from the same place of the same file is not read.
    public init(
        _ first: DiskChain, _ second: DiskChain, progress: DiskProgress? = nil
    ) throws(StorageError) {
        ranges = []
        let shared = min(first.size, second.size)
        let total = max(first.size, second.size)
        var (left, right) = ([UInt8](repeating: 0, count: 1 << 20), [UInt8](repeating: 0, count: 1 << 20))
        var position: UInt64 = 0
        while position < shared {
            let limit = min(UInt64(left.count), shared - position) / 512
            let one = try first.locate(position / 512, count: limit)
            let other = try second.locate(position / 512, count: one.run.count)
            let count = other.run.count * 512
            let isSame =
                one.image == nil && other.image == nil
                || one.image?.store.name == other.image?.store.name && one.run.offset == other.run.offset
            if !isSame {
                try Self.read(first, position, Int(count), &left)
                try Self.read(second, position, Int(count), &right)
                compare(left, right, Int(count), at: position)
            }
            position += count
            try progress?(position, total)
        }
        if shared < total { append(shared..<total) }
    }

    private static func read(
        _ chain: DiskChain, _ offset: UInt64, _ count: Int, _ buffer: inout [UInt8]
    ) throws(StorageError) {
        var span = buffer.mutableSpan
        var bytes = unsafe span.mutableBytes
        var part = bytes._mutatingExtracting(first: count)
        try chain.read(into: &part, at: offset)
    }

    private mutating func compare(_ left: [UInt8], _ right: [UInt8], _ count: Int, at position: UInt64) {
        var found: [Range<UInt64>] = []
        unsafe left.withUnsafeBytes { left in
            unsafe right.withUnsafeBytes { right in
                guard let one = left.baseAddress, let other = right.baseAddress else { return }
                guard unsafe memcmp(one, other, count) != 0 else { return }
                for start in stride(from: 0, to: count, by: 512)
                where unsafe memcmp(one + start, other + start, 512) != 0 {
                    found.append(position + UInt64(start)..<position + UInt64(start) + 512)
                }
            }
        }
        for range in found { append(range) }
    }

    private mutating func append(_ range: Range<UInt64>) {
        if let last = ranges.last, last.upperBound == range.lowerBound {
            ranges[ranges.count - 1] = last.lowerBound..<range.upperBound
        } else {
            ranges.append(range)
        }
    }
}

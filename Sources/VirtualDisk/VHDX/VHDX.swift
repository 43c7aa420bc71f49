// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// Virtual Hard Disk version 2: what its structures have in common.
public enum VHDX {
    /// The largest disk, 64 TiB.
    public static let largestSize: UInt64 = 64 << 40

    /// What structures and blocks are aligned to in the file.
    static let alignment: UInt64 = 1 << 20
    /// The part of the metadata that the log changes as one.
    static let page: Int = 4096
    /// The sizes of blocks that are read.
    static let blockSizes: ClosedRange<UInt32> = 1 << 20...256 << 20
    /// The sectors that one sector bitmap block describes.
    static let sectorsPerChunk: UInt64 = 1 << 23
    /// Longer logs are not read; programs write one of 1 MiB.
    static let longestLog: UInt32 = 64 << 20

    /// The length of the log of new disks.
    static let logLength: UInt32 = 1 << 20

    /// The block size of a new disk.
    ///
    /// 2 MiB: a checkpoint's disk, which takes a whole block for the first sector that is written in it, stays small,
    /// and writers choose the same for such disks. Larger disks have larger blocks, so that a table never has more than
    /// a million entries.
    static func blockSize(for size: UInt64) -> UInt32 {
        var blockSize: UInt32 = 2 << 20
        while size / UInt64(blockSize) > 1 << 20 { blockSize *= 2 }
        return blockSize
    }
}

extension DiskIdentity {
    /// Reads an identity whose first three fields have their lowest byte first.
    init(_ fields: DiskFields, at offset: Int) throws(DiskError) {
        let bytes = try fields.slice(at: offset, count: 16)
        self.init(unchecked: Self.order.map { bytes[$0] })
    }

    /// Makes a well-known identity of its two halves.
    init(_ high: UInt64, _ low: UInt64) {
        self.init(
            unchecked: [high, low].flatMap { half in
                (0..<8).map { UInt8(truncatingIfNeeded: half >> UInt64(56 - 8 * $0)) }
            })
    }

    /// Reads `{8-4-4-4-12}` in letters of any case.
    init?(braced text: String) {
        guard text.hasPrefix("{"), text.hasSuffix("}") else { return nil }
        let groups = text.dropFirst().dropLast().split(separator: "-", omittingEmptySubsequences: false)
        guard groups.map(\.utf8.count) == [8, 4, 4, 4, 12] else { return nil }
        let digits = groups.joined()
        guard digits.utf8.allSatisfy({ UInt8(ascii: "+") != $0 && UInt8(ascii: "-") != $0 }),
            let high = UInt64(digits.prefix(16), radix: 16), let low = UInt64(digits.dropFirst(16), radix: 16)
        else { return nil }
        self.init(high, low)
    }

    static let zero: DiskIdentity = DiskIdentity(0, 0)

    /// The sixteen bytes with the lowest byte of the first three fields first.
    var mixed: [UInt8] { Self.order.map { bytes[$0] } }

    private static let order: [Int] = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15]
}

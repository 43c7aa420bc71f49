// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import CFiles
import Glibc

extension FileStore {
    /// Sets the length; what is added reads as zeros.
    public func truncate(to length: UInt64) throws(StorageError) {
        try checkWritable()
        let end = try position(length)
        while ftruncate(descriptor, end) != 0 {
            guard errno == EINTR else { throw .system(name, "cannot be given another length", offset: length) }
        }
    }

    /// Reserves space for the range; a file system that cannot gets zeros written instead.
    public func allocate(_ range: Range<UInt64>) throws(StorageError) {
        try checkWritable()
        guard !range.isEmpty else { return }
        let start = try position(range.lowerBound)
        let count = try position(range.upperBound) - start
        while fermata_allocate(descriptor, Int64(start), Int64(count)) != 0 {
            switch errno {
            case EINTR: continue
            case EOPNOTSUPP, ENOSYS: return try allocateByWriting(range)
            default: throw .system(name, "cannot be given more space", offset: range.lowerBound)
            }
        }
    }

    /// File systems without fallocate get zeros beyond the end; what lies before it has its space already.
    private func allocateByWriting(_ range: Range<UInt64>) throws(StorageError) {
        let end = try length()
        try writeZeroes(max(end, range.lowerBound)..<max(end, range.upperBound))
    }

    /// Gives the range's space back; it reads as zeros afterwards.
    public func punchHole(_ range: Range<UInt64>) throws(StorageError) {
        try checkWritable()
        guard !range.isEmpty else { return }
        let start = try position(range.lowerBound)
        let count = try position(range.upperBound) - start
        while fermata_punch_hole(descriptor, Int64(start), Int64(count)) != 0 {
            switch errno {
            case EINTR: continue
            case EOPNOTSUPP, ENOSYS:
                let end = try length()
                return try writeZeroes(min(end, range.lowerBound)..<min(end, range.upperBound))
            default: throw .system(name, "cannot be made empty", offset: range.lowerBound)
            }
        }
    }

    /// The first run at or after `offset` that may hold data, or nil when only a hole is left.
    public func nextData(from offset: UInt64) throws(StorageError) -> Range<UInt64>? {
        try checkUsable()
        let end = try length()
        guard offset < end else { return nil }
        let start = fermata_seek_data(descriptor, Int64(try position(offset)))
        if start < 0 {
            switch errno {
            case ENXIO: return nil
            case EINVAL, EOPNOTSUPP: return offset..<end
            default: throw .system(name, "cannot be searched for data", offset: offset)
            }
        }
        let hole = fermata_seek_hole(descriptor, start)
        guard hole > start else { return UInt64(start)..<max(end, UInt64(start) + 1) }
        return UInt64(start)..<UInt64(hole)
    }
}

extension ByteStore {
    /// Writes zeros over the range, a piece at a time.
    package func writeZeroes(_ range: Range<UInt64>) throws(StorageError) {
        var offset = range.lowerBound
        while offset < range.upperBound {
            let count = min(UInt64(ZeroPage.count), range.upperBound - offset)
            try unsafe write(ZeroPage.bytes.span.bytes.extracting(0..<Int(count)), at: offset)
            offset += count
        }
    }
}

/// Zeros to write from, shared by all.
enum ZeroPage {
    static let count: Int = 64 << 10
    static let bytes: [UInt8] = Array(repeating: 0, count: count)
}

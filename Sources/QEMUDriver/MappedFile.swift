// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// Finds where a process has mapped a file, in the text of its `/proc/PID/maps`.
enum MappedFile {
    private struct Piece {
        var range: Range<UInt64>
        var offset: UInt64
        var device: String
    }

    /// The address at which the whole file is mapped privately for writing, or nil when it is not, or twice.
    ///
    /// The kernel may list one mapping in several pieces. Some file systems report another device here than `stat`
    /// does, so a mapping of the same inode on another device counts when none has the right one.
    static func address(of status: stat, size: UInt64, in maps: String) -> UInt64? {
        let pieces = maps.split(separator: "\n").compactMap { piece($0, inode: UInt64(status.st_ino)) }
        let device = name(UInt64(status.st_dev))
        return base(of: pieces.filter { $0.device == device }, size: size) ?? base(of: pieces, size: size)
    }

    private static func base(of pieces: [Piece], size: UInt64) -> UInt64? {
        var bases: [UInt64] = []
        for first in pieces where first.offset == 0 {
            let base = first.range.lowerBound
            var end = base
            for piece in pieces where piece.range.lowerBound == end && piece.offset == end - base {
                end = piece.range.upperBound
            }
            if end - base == size { bases.append(base) }
        }
        return bases.count == 1 ? bases[0] : nil
    }

    /// A line: `7f00-7f80 rw-p 00000000 fe:00 1234    /path`.
    private static func piece(_ line: Substring, inode: UInt64) -> Piece? {
        let words = line.split(separator: " ", maxSplits: 5)
        guard words.count >= 5, words[1] == "rw-p", UInt64(words[4]) == inode,
            let offset = UInt64(words[2], radix: 16)
        else { return nil }
        let bounds = words[0].split(separator: "-").compactMap { UInt64($0, radix: 16) }
        guard bounds.count == 2, bounds[0] < bounds[1] else { return nil }
        return Piece(range: bounds[0]..<bounds[1], offset: offset, device: String(words[3]))
    }

    /// A device number as the kernel prints it there: `fe:00`.
    private static func name(_ device: UInt64) -> String {
        let major = device >> 8 & 0xFFF | device >> 32 & ~0xFFF
        let minor = device & 0xFF | device >> 12 & ~0xFF
        return padded(major) + ":" + padded(minor)
    }

    private static func padded(_ number: UInt64) -> String {
        let digits = String(number, radix: 16)
        return digits.count < 2 ? "0" + digits : digits
    }
}

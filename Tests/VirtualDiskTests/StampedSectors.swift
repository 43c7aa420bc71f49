// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import Foundation

/// Sectors that say which write made them.
///
/// All 64 words of a sector are the write's number and the sector's own. Number 0 stands for zeros.
enum StampedSectors {
    static func bytes(_ number: Int, _ sectors: Range<Int>) -> [UInt8] {
        guard number != 0 else { return [UInt8](repeating: 0, count: sectors.count * 512) }
        var words: [UInt64] = []
        words.reserveCapacity(sectors.count * 64)
        for sector in sectors {
            words.append(contentsOf: repeatElement(UInt64(number) << 32 | UInt64(sector), count: 64))
        }
        return unsafe words.withUnsafeBytes { unsafe Array($0) }
    }

    /// The number of the write that made each sector; -1 for one that no write made.
    static func numbers(_ bytes: [UInt8]) -> [Int] {
        unsafe bytes.withUnsafeBytes { bytes in
            (0..<bytes.count / 512).map { sector in
                guard let start = unsafe bytes.baseAddress.map({ unsafe $0 + sector * 512 }) else { return -1 }
                let first = unsafe start.load(as: UInt64.self)
                // All words are alike when each equals its neighbour.
                guard unsafe memcmp(start, start + 8, 504) == 0, first == 0 || first & 0xFFFF_FFFF == UInt64(sector)
                else { return -1 }
                return Int(first >> 32)
            }
        }
    }
}

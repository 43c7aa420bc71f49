// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// Checksums of structures that were changed.
package enum Sums {
    /// Puts the right checksum into its field: one's complement of the sum of the bytes without it.
    package static func correct(_ bytes: inout [UInt8], _ range: Range<Int>, fieldAt field: Int) {
        for index in 0..<4 { bytes[field + index] = 0 }
        let sum = ~bytes[range].reduce(0 as UInt32) { $0 &+ UInt32($1) }
        for index in 0..<4 { bytes[field + index] = UInt8(truncatingIfNeeded: sum >> UInt32(24 - 8 * index)) }
    }
}

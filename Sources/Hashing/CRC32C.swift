// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// The CRC-32 with Castagnoli's polynomial, taken eight bytes at a time.
public enum CRC32C {
    /// The checksum of some bytes, the four of the field that holds it taken as zeros.
    public static func checksum(_ bytes: [UInt8], fieldAt field: Int) -> UInt32 {
        var copy = bytes
        for index in field..<min(field + 4, copy.count) { copy[index] = 0 }
        return checksum(copy)
    }

    /// The checksum of some bytes.
    public static func checksum(_ bytes: [UInt8]) -> UInt32 {
        unsafe bytes.withUnsafeBytes { bytes in
            unsafe tables.withUnsafeBufferPointer { tables in
                var sum = UInt32.max
                var position = 0
                while position + 8 <= bytes.count {
                    let word =
                        unsafe UInt64(
                            littleEndian: bytes.loadUnaligned(fromByteOffset: position, as: UInt64.self)) ^ UInt64(sum)
                    sum = 0
                    for index in 0..<8 {
                        let byte = Int(truncatingIfNeeded: word >> UInt64(8 * index)) & 0xFF
                        sum ^= unsafe tables[(7 - index) * 256 + byte]
                    }
                    position += 8
                }
                while position < bytes.count {
                    let byte = unsafe bytes[position]
                    sum = unsafe tables[Int((sum ^ UInt32(byte)) & 0xFF)] ^ sum >> 8
                    position += 1
                }
                return ~sum
            }
        }
    }

    /// Table `n` advances a byte over `n` more bytes.
    private static let tables: [UInt32] = {
        var tables = [UInt32](repeating: 0, count: 8 * 256)
        for byte in 0..<256 {
            var value = UInt32(byte)
            for _ in 0..<8 { value = value >> 1 ^ (value & 1 == 0 ? 0 : 0x82F6_3B78) }
            tables[byte] = value
        }
        for index in 256..<8 * 256 {
            let before = tables[index - 256]
            tables[index] = tables[Int(before & 0xFF)] ^ before >> 8
        }
        return tables
    }()
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// Virtual Hard Disk: what its structures have in common.
public enum VHD {
    /// The largest disk, 2040 GiB.
    public static let largestSize: UInt64 = 2040 << 30

    /// The block size of new disks, 2 MiB; many readers know no other.
    static let blockSize: UInt32 = 2 << 20

    /// More blocks than this are never read, so that a hostile header cannot ask for all memory.
    static let mostBlocks: UInt64 = largestSize / (512 << 10)

    /// The table's entry of a block that is not there.
    static let unused: UInt32 = .max

    /// One's complement of the sum of all bytes, the field itself taken as zero.
    static func checksum(_ bytes: [UInt8], fieldAt offset: Int) -> UInt32 {
        var sum: UInt32 = 0
        for (index, byte) in bytes.enumerated() where index < offset || index >= offset + 4 {
            sum &+= UInt32(byte)
        }
        return ~sum
    }

    /// A time in seconds since 1970 as the format counts, since 2000.
    static func timestamp(_ seconds: Int64) -> UInt32 {
        UInt32(clamping: seconds.subtractingReportingOverflow(epoch).partialValue)
    }

    /// The time in seconds since 1970 that a time stamp stands for.
    static func seconds(_ timestamp: UInt32) -> Int64 {
        Int64(timestamp) + epoch
    }

    private static let epoch: Int64 = 946_684_800

    static func hex(_ number: UInt32) -> String {
        "0x" + String(number, radix: 16)
    }

    /// The next multiple of a power of two, or the largest number when there is none.
    static func roundUp(_ value: UInt64, to multiple: UInt64) -> UInt64 {
        let (sum, overflow) = value.addingReportingOverflow(multiple - 1)
        return overflow ? .max & ~(multiple - 1) : sum & ~(multiple - 1)
    }
}

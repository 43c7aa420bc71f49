// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import Glibc
import SystemPackage

/// A file in memory that QEMU takes for a disk with one snapshot, which holds a state of devices and nothing else.
///
/// A qcow2 image of version 3 with clusters of 64 KiB, written once; a state only replaces the bytes from cluster 7 on,
/// so QEMU keeps the image open. What follows a shorter state is zeros, which QEMU never reads: a state says itself
/// where it ends.
///
/// ```
///   cluster 0   header: a disk of 64 KiB, L1 at cluster 3 with 2 entries, one snapshot, listed at cluster 6
///           1   refcount table: one block, cluster 2
///           2   refcounts, 16 bits each: 1 for every cluster of the file
///           3   L1 of the disk: nothing is allocated
///           4   L2 of the snapshot's state: entry i is cluster 7 + i
///           5   L1 of the snapshot: entry 0 (the disk) nothing, entry 1 (the state, 512 MiB further on) cluster 4
///           6   snapshot list: id "1", name "s", size of the state = all clusters from 7 on
///           7.. the state
/// ```
final class StateFile: Sendable {
    /// The name of the snapshot.
    static let tag = "s"

    private static let clusterSize = 65536
    private static let firstStateCluster = 7
    /// What the one L2 table and the one refcount block can describe is more; no device state comes near.
    private static let limit = 256 << 20

    let descriptor: Descriptor
    /// The number of bytes that a state may have.
    let capacity: Int

    /// Makes the image, with room for that many bytes at least.
    init(room: Int) throws(Errno) {
        guard room <= Self.limit else { throw .fileTooLarge }
        descriptor = try MemoryFile.make("fermata-state")
        let clusters = max(16, (room + Self.clusterSize - 1) / Self.clusterSize)
        capacity = clusters * Self.clusterSize
        try MemoryFile.write(Self.metadata(stateClusters: clusters), to: descriptor, at: 0)
        try clear()
    }

    /// Makes these bytes the state.
    func put(_ state: [UInt8]) throws(Errno) {
        guard state.count <= capacity else { throw .fileTooLarge }
        try clear()
        try MemoryFile.write(state, to: descriptor, at: Self.firstStateCluster * Self.clusterSize)
    }

    /// Makes every byte of the state zero.
    private func clear() throws(Errno) {
        let start = Self.firstStateCluster * Self.clusterSize
        guard ftruncate(descriptor.raw, start) == 0, ftruncate(descriptor.raw, start + capacity) == 0 else {
            throw Errno(rawValue: errno)
        }
    }

    private static func metadata(stateClusters: Int) -> [UInt8] {
        let cluster = clusterSize
        var image = BigEndianBytes(count: firstStateCluster * cluster)
        // Header.
        image.put(0x5146_49FB as UInt32, at: 0)
        image.put(3 as UInt32, at: 4)
        image.put(16 as UInt32, at: 20)
        image.put(UInt64(cluster), at: 24)
        image.put(2 as UInt32, at: 36)
        image.put(UInt64(3 * cluster), at: 40)
        image.put(UInt64(cluster), at: 48)
        image.put(1 as UInt32, at: 56)
        image.put(1 as UInt32, at: 60)
        image.put(UInt64(6 * cluster), at: 64)
        image.put(4 as UInt32, at: 96)
        image.put(104 as UInt32, at: 100)
        // Refcounts.
        image.put(UInt64(2 * cluster), at: cluster)
        for index in 0..<firstStateCluster + stateClusters { image.put(1 as UInt16, at: 2 * cluster + 2 * index) }
        // The state's map.
        for index in 0..<stateClusters {
            image.put(UInt64((firstStateCluster + index) * cluster), at: 4 * cluster + 8 * index)
        }
        image.put(UInt64(4 * cluster), at: 5 * cluster + 8)
        // The snapshot: L1, lengths of id and name, extra data of 24 bytes (long size, disk size, instruction count).
        let entry = 6 * cluster
        image.put(UInt64(5 * cluster), at: entry)
        image.put(2 as UInt32, at: entry + 8)
        image.put(1 as UInt16, at: entry + 12)
        image.put(1 as UInt16, at: entry + 14)
        image.put(24 as UInt32, at: entry + 36)
        image.put(UInt64(stateClusters * cluster), at: entry + 40)
        image.put(UInt64(cluster), at: entry + 48)
        image.put(UInt64.max, at: entry + 56)
        image.put(UInt16(UInt8(ascii: "1")) << 8 | UInt16(UInt8(ascii: "s")), at: entry + 64)
        return image.bytes
    }
}

/// Bytes into which big-endian numbers are put.
private struct BigEndianBytes {
    var bytes: [UInt8]

    init(count: Int) {
        bytes = [UInt8](repeating: 0, count: count)
    }

    mutating func put<Number: FixedWidthInteger & UnsignedInteger>(_ number: Number, at offset: Int) {
        for index in 0..<Number.bitWidth / 8 {
            bytes[offset + index] = UInt8(truncatingIfNeeded: number >> (Number.bitWidth - 8 - 8 * index))
        }
    }
}

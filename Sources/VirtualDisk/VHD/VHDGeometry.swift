// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// Cylinders, heads and sectors per track, by the algorithm of the specification's appendix.
struct VHDGeometry: Hashable, Sendable {
    var cylinders: UInt16
    var heads: UInt8
    var sectorsPerTrack: UInt8

    /// The geometry that stands for "too large for a geometry".
    static let largest: VHDGeometry = VHDGeometry(cylinders: 65535, heads: 16, sectorsPerTrack: 255)

    init(cylinders: UInt16, heads: UInt8, sectorsPerTrack: UInt8) {
        self.cylinders = cylinders
        self.heads = heads
        self.sectorsPerTrack = sectorsPerTrack
    }

    /// The geometry of a disk of so many bytes.
    init(size: UInt64) {
        let total = min(size / 512, 65535 * 16 * 255)
        var sectors: UInt64
        var heads: UInt64
        var cylinderTimesHeads: UInt64
        if total >= 65535 * 16 * 63 {
            sectors = 255
            heads = 16
            cylinderTimesHeads = total / sectors
        } else {
            sectors = 17
            cylinderTimesHeads = total / sectors
            heads = max((cylinderTimesHeads + 1023) / 1024, 4)
            if cylinderTimesHeads >= heads * 1024 || heads > 16 {
                sectors = 31
                heads = 16
                cylinderTimesHeads = total / sectors
            }
            if cylinderTimesHeads >= heads * 1024 {
                sectors = 63
                heads = 16
                cylinderTimesHeads = total / sectors
            }
        }
        self.init(
            cylinders: UInt16(clamping: cylinderTimesHeads / heads), heads: UInt8(clamping: heads),
            sectorsPerTrack: UInt8(clamping: sectors))
    }

    /// The bytes that it addresses.
    var size: UInt64 {
        UInt64(cylinders) * UInt64(heads) * UInt64(sectorsPerTrack) * 512
    }
}

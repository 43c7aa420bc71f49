// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage

/// A disk with sectors of 4096 bytes, which takes no other requests.
struct LargeSectorDevice: BlockDevice {
    let device: any BlockDevice

    init(_ device: any BlockDevice) {
        self.device = device
    }

    var size: UInt64 { device.size }
    var sectorSize: UInt32 { 4096 }
    var isReadOnly: Bool { device.isReadOnly }

    func read(into buffer: inout MutableRawSpan, at offset: UInt64) throws(StorageError) {
        try check(offset, UInt64(buffer.byteCount))
        try device.read(into: &buffer, at: offset)
    }

    func write(_ buffer: RawSpan, at offset: UInt64) throws(StorageError) {
        try check(offset, UInt64(buffer.byteCount))
        try device.write(buffer, at: offset)
    }

    func writeZeroes(_ range: Range<UInt64>) throws(StorageError) {
        try check(range.lowerBound, UInt64(range.count))
        try device.writeZeroes(range)
    }

    func discard(_ range: Range<UInt64>) throws(StorageError) {
        try check(range.lowerBound, UInt64(range.count))
        try device.discard(range)
    }

    func flush() throws(StorageError) {
        try device.flush()
    }

    func extents(in range: Range<UInt64>) throws(StorageError) -> [Extent] {
        try check(range.lowerBound, UInt64(range.count))
        return try device.extents(in: range)
    }

    private func check(_ offset: UInt64, _ count: UInt64) throws(StorageError) {
        guard offset % 4096 == 0, count % 4096 == 0 else {
            throw StorageError(.io, name: "large sectors", detail: "got a request for a part of a sector")
        }
    }
}

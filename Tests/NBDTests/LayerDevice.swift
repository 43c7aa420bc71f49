// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import StorageTestSupport
import Synchronization

/// A device over another, which it reads through where nothing was written to it: what a differencing child is.
final class LayerDevice: BlockDevice {
    let parent: any BlockDevice
    let size: UInt64
    let isReadOnly = false
    private let own: MemoryDevice
    /// The sectors that lie here.
    private let present: Mutex<Set<UInt64>>
    private let sealed = Atomic(false)
    /// The writes that came.
    let writes = Atomic(0)
    /// The writes that came after the layer was sealed.
    let lateWrites = Atomic(0)

    init(over parent: any BlockDevice) {
        self.parent = parent
        size = parent.size
        own = MemoryDevice(size: size)
        present = Mutex([])
    }

    /// Says that no more writes may come.
    func seal() {
        sealed.store(true, ordering: .sequentiallyConsistent)
    }

    func read(into buffer: inout MutableRawSpan, at offset: UInt64) throws(StorageError) {
        try unsafe buffer.withUnsafeMutableBytes { bytes throws(StorageError) in
            for start in stride(from: 0, to: bytes.count, by: 512) {
                let sector = unsafe UnsafeMutableRawBufferPointer(rebasing: bytes[start..<start + 512])
                let position = offset + UInt64(start)
                let isOwn = present.withLock { $0.contains(position / 512) }
                var span = unsafe sector.mutableBytes
                if isOwn {
                    try own.read(into: &span, at: position)
                } else {
                    try parent.read(into: &span, at: position)
                }
            }
        }
    }

    func write(_ buffer: RawSpan, at offset: UInt64) throws(StorageError) {
        writes.add(1, ordering: .relaxed)
        if sealed.load(ordering: .sequentiallyConsistent) {
            lateWrites.add(1, ordering: .relaxed)
        }
        try own.write(buffer, at: offset)
        present.withLock { $0.formUnion(offset / 512..<(offset + UInt64(buffer.byteCount)) / 512) }
    }

    func writeZeroes(_ range: Range<UInt64>) throws(StorageError) {
        try own.writeZeroes(range)
        present.withLock { $0.formUnion(range.lowerBound / 512..<range.upperBound / 512) }
    }

    func discard(_ range: Range<UInt64>) throws(StorageError) {}

    func flush() throws(StorageError) {
        try own.flush()
    }

    func extents(in range: Range<UInt64>) throws(StorageError) -> [Extent] {
        [Extent(range, .data)]
    }
}

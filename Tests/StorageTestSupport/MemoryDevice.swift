// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

public import BlockStorage
internal import Synchronization

/// A device whose bytes lie in memory, which counts what is done to it and can be made to fail or to wait.
public final class MemoryDevice: BlockDevice {
    /// What is done to a device.
    public enum Operation: Hashable, Sendable {
        case read, write, writeZeroes, discard, flush, extents
    }

    private struct Contents {
        var bytes: [UInt8]
        /// Which 4 KiB granules are stored.
        var stored: [Bool]
        var counts: [Operation: Int] = [:]
    }

    /// The unit of what is a hole.
    public static let granule: Int = 4096

    /// What messages call it.
    public let name: String
    /// The size in bytes.
    public let size: UInt64
    /// What the device says of itself; the server, not the device, refuses writes for it.
    public let isReadOnly: Bool

    private let contents: Mutex<Contents>
    private let before: @Sendable (Operation) throws(StorageError) -> Void

    /// Makes a device that is one hole.
    ///
    /// - Parameter before: called before each operation, on its thread; what it throws, the operation throws.
    public init(
        size: UInt64, name: String = "memory", isReadOnly: Bool = false,
        before: @escaping @Sendable (Operation) throws(StorageError) -> Void = { _ throws(StorageError) in }
    ) {
        self.name = name
        self.size = size
        self.isReadOnly = isReadOnly
        self.before = before
        contents = Mutex(
            Contents(
                bytes: [UInt8](repeating: 0, count: Int(size)),
                stored: [Bool](repeating: false, count: (Int(size) + Self.granule - 1) / Self.granule)))
    }

    /// Every byte, as it is now.
    public var bytes: [UInt8] {
        contents.withLock { $0.bytes }
    }

    /// How often an operation was begun.
    public func count(of operation: Operation) -> Int {
        contents.withLock { $0.counts[operation] ?? 0 }
    }

    /// Writes bytes at an offset.
    public func write(_ bytes: [UInt8], at offset: UInt64) throws(StorageError) {
        try unsafe write(bytes.span.bytes, at: offset)
    }

    /// Makes another device with the same bytes.
    public func copy(named name: String) -> MemoryDevice {
        let copy = MemoryDevice(size: size, name: name, isReadOnly: isReadOnly)
        let (bytes, stored) = contents.withLock { ($0.bytes, $0.stored) }
        copy.contents.withLock { ($0.bytes, $0.stored) = (bytes, stored) }
        return copy
    }

    /// Fills the buffer with the bytes from `offset` on.
    public func read(into buffer: inout MutableRawSpan, at offset: UInt64) throws(StorageError) {
        let range = try begin(.read, offset, UInt64(buffer.byteCount))
        unsafe buffer.withUnsafeMutableBytes { target in
            contents.withLock { contents in
                unsafe contents.bytes.withUnsafeBytes { unsafe target.copyMemory(from: .init(rebasing: $0[range])) }
            }
        }
    }

    /// Writes the whole buffer at `offset`.
    public func write(_ buffer: RawSpan, at offset: UInt64) throws(StorageError) {
        let range = try begin(.write, offset, UInt64(buffer.byteCount))
        unsafe buffer.withUnsafeBytes { source in
            contents.withLock { contents in
                unsafe contents.bytes.withUnsafeMutableBytes {
                    unsafe UnsafeMutableRawBufferPointer(rebasing: $0[range]).copyMemory(from: source)
                }
                for granule in granules(range) {
                    contents.stored[granule] = true
                }
            }
        }
    }

    /// Makes the range read as zeros, and whole granules of it a hole.
    public func writeZeroes(_ range: Range<UInt64>) throws(StorageError) {
        let range = try begin(.writeZeroes, range.lowerBound, range.upperBound - range.lowerBound)
        contents.withLock { contents in
            unsafe contents.bytes.withUnsafeMutableBytes { bytes in
                _ = unsafe UnsafeMutableRawBufferPointer(rebasing: bytes[range]).initializeMemory(
                    as: UInt8.self, repeating: 0)
            }
            for granule in granules(range) where range.contains(granule * Self.granule) {
                contents.stored[granule] = min((granule + 1) * Self.granule, Int(size)) > range.upperBound
            }
        }
    }

    /// Gives up the range's content, which reads as zeros then.
    public func discard(_ range: Range<UInt64>) throws(StorageError) {
        _ = try begin(.discard, range.lowerBound, range.upperBound - range.lowerBound)
        try writeZeroes(range)
    }

    /// Counts; memory is as durable as it gets.
    public func flush() throws(StorageError) {
        _ = try begin(.flush, 0, 0)
    }

    /// Tells what is stored, in order and without gaps.
    public func extents(in range: Range<UInt64>) throws(StorageError) -> [Extent] {
        let range = try begin(.extents, range.lowerBound, range.upperBound - range.lowerBound)
        return contents.withLock { contents in
            var extents: [Extent] = []
            for granule in granules(range) {
                let part = (granule * Self.granule..<(granule + 1) * Self.granule).clamped(to: range)
                let bounds = UInt64(part.lowerBound)..<UInt64(part.upperBound)
                let kind: Extent.Kind = contents.stored[granule] ? .data : .hole
                if let last = extents.last, last.kind == kind {
                    extents[extents.count - 1] = Extent(last.range.lowerBound..<bounds.upperBound, kind)
                } else {
                    extents.append(Extent(bounds, kind))
                }
            }
            return extents
        }
    }

    private func granules(_ range: Range<Int>) -> Range<Int> {
        range.lowerBound / Self.granule..<(range.upperBound + Self.granule - 1) / Self.granule
    }

    private func begin(_ operation: Operation, _ offset: UInt64, _ count: UInt64) throws(StorageError) -> Range<Int> {
        contents.withLock { $0.counts[operation, default: 0] += 1 }
        try before(operation)
        let (end, overflow) = offset.addingReportingOverflow(count)
        guard !overflow, end <= size else {
            throw StorageError(.outOfRange, name: name, detail: "a request lies beyond the end", offset: offset)
        }
        return Int(offset)..<Int(end)
    }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// A disk as its reader sees it: a fixed number of bytes at offsets.
///
/// A device is safe to use from several threads at once. Overlapping requests in flight together have no order.
/// It knows nothing of the format that stores the bytes.
public protocol BlockDevice: Sendable {
    /// The size in bytes, a multiple of 512.
    var size: UInt64 { get }

    /// The bytes of a sector, of which every request is a multiple: 512 or 4096.
    var sectorSize: UInt32 { get }

    /// Whether writes are refused.
    var isReadOnly: Bool { get }

    /// Fills the whole buffer with the bytes from `offset` on.
    func read(into buffer: inout MutableRawSpan, at offset: UInt64) throws(StorageError)

    /// Takes the range's first bytes into a pipe without copying them, as many as lie together in a file.
    ///
    /// - Returns: how many; none when they are fewer than `least`, or zeros, or nowhere in a file, and are to be read.
    func gather(_ range: Range<UInt64>, atLeast least: Int, into pipe: PagePipe) throws(StorageError) -> Int

    /// Writes the whole buffer at `offset`; durable after the next ``flush()``.
    func write(_ buffer: RawSpan, at offset: UInt64) throws(StorageError)

    /// Makes the range read as zeros, giving space back where the format can.
    func writeZeroes(_ range: Range<UInt64>) throws(StorageError)

    /// Tells that the range's content is no longer needed; what it reads as afterwards is the device's choice.
    func discard(_ range: Range<UInt64>) throws(StorageError)

    /// Makes every write that was acknowledged before the call durable, metadata included.
    func flush() throws(StorageError)

    /// Tells what lies in the range, in order and without gaps; may stop early, after one extent at least.
    func extents(in range: Range<UInt64>) throws(StorageError) -> [Extent]
}

extension BlockDevice {
    /// What nearly every disk has.
    public var sectorSize: UInt32 { 512 }

    /// What lies in no file is read.
    public func gather(_ range: Range<UInt64>, atLeast least: Int, into pipe: PagePipe) throws(StorageError) -> Int {
        0
    }
}

/// A run of bytes of one kind.
public struct Extent: Hashable, Sendable {
    /// What a run holds.
    public enum Kind: Hashable, Sendable {
        /// Bytes are stored for it, here or in an ancestor.
        case data
        /// Nothing is stored for it anywhere; it reads as zeros.
        case hole
    }

    /// Where the run lies, in bytes.
    public var range: Range<UInt64>
    /// What the run holds.
    public var kind: Kind

    /// Makes an extent.
    public init(_ range: Range<UInt64>, _ kind: Kind) {
        self.range = range
        self.kind = kind
    }
}

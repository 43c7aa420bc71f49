// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// A disk whose file holds its bytes one to one.
public struct RawDevice: BlockDevice {
    /// The size in bytes, as the file's length was when it was opened.
    public let size: UInt64
    /// Whether writes are refused.
    public let isReadOnly: Bool

    private let store: any ByteStore

    /// Makes a device of a file whose length is a multiple of 512.
    public init(_ store: any ByteStore, isReadOnly: Bool) throws(StorageError) {
        self.store = store
        self.isReadOnly = isReadOnly
        size = try store.length()
        guard size % 512 == 0 else {
            throw StorageError(
                .corrupt, name: store.name, detail: "has a length of \(size) bytes, which is not a multiple of 512")
        }
    }

    /// Fills the buffer with the bytes from `offset` on.
    public func read(into buffer: inout MutableRawSpan, at offset: UInt64) throws(StorageError) {
        try StorageError.check(offset: offset, count: buffer.byteCount, within: size, of: store.name)
        try store.readFully(into: &buffer, at: offset)
    }

    /// Takes the range's first bytes into a pipe, up to the next hole.
    public func gather(_ range: Range<UInt64>, atLeast least: Int, into pipe: PagePipe) throws(StorageError) -> Int {
        try StorageError.check(range, within: size, of: store.name)
        return try store.gatherData(range, atLeast: least, into: pipe)
    }

    /// Writes the whole buffer at `offset`.
    public func write(_ buffer: RawSpan, at offset: UInt64) throws(StorageError) {
        try checkWritable()
        try StorageError.check(offset: offset, count: buffer.byteCount, within: size, of: store.name)
        try store.write(buffer, at: offset)
    }

    /// Makes the range read as zeros.
    public func writeZeroes(_ range: Range<UInt64>) throws(StorageError) {
        try checkWritable()
        try StorageError.check(range, within: size, of: store.name)
        try store.punchHole(range)
    }

    /// Gives up the range's content.
    public func discard(_ range: Range<UInt64>) throws(StorageError) {
        try writeZeroes(range)
    }

    /// Makes every acknowledged write durable.
    public func flush() throws(StorageError) {
        guard !isReadOnly else { return }
        try store.synchronize()
    }

    /// Tells what lies in the range, in order and without gaps.
    public func extents(in range: Range<UInt64>) throws(StorageError) -> [Extent] {
        try StorageError.check(range, within: size, of: store.name)
        return try store.extents(in: range)
    }

    private func checkWritable() throws(StorageError) {
        guard !isReadOnly else {
            throw StorageError(.readOnly, name: store.name, detail: "is open for reading only")
        }
    }
}

extension ByteStore {
    /// Takes a range's first bytes into a pipe unless they are a hole, up to the next hole.
    package func gatherData(
        _ range: Range<UInt64>, atLeast least: Int, into pipe: PagePipe
    ) throws(StorageError) -> Int {
        guard let data = try nextData(from: range.lowerBound), data.contains(range.lowerBound) else { return 0 }
        let count = Int(range.clamped(to: data).count)
        return count < least ? 0 : try gather(into: pipe, at: range.lowerBound, count: count)
    }

    /// The file's own data and holes in the range, at most `limit` of them.
    package func extents(in range: Range<UInt64>, limit: Int = 1024) throws(StorageError) -> [Extent] {
        var extents: [Extent] = []
        var position = range.lowerBound
        while position < range.upperBound, extents.count < limit {
            let data = try nextData(from: position) ?? range.upperBound..<range.upperBound
            let start = min(max(data.lowerBound, position), range.upperBound)
            let end = min(data.upperBound, range.upperBound)
            if start > position { extents.append(Extent(position..<start, .hole)) }
            if end > start { extents.append(Extent(start..<end, .data)) }
            position = max(start, end)
        }
        return extents
    }
}

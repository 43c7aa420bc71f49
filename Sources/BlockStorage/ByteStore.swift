// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// A file as a format sees it: bytes at offsets that can grow.
///
/// The one seam for file I/O: formats reach files through it alone, so a test can record, fail or tear what is
/// written. Safe to use from several threads at once; there is no cursor.
public protocol ByteStore: Sendable {
    /// What messages call it: the file's path.
    var name: String { get }

    /// The length in bytes.
    func length() throws(StorageError) -> UInt64

    /// What the system knows of the file besides its bytes.
    func status() throws(StorageError) -> FileStatus

    /// Sets the time of the last change, in seconds since 1970, durably and after everything that was written.
    func setModificationTime(_ seconds: Int64) throws(StorageError)

    /// Reads into the buffer from `offset` on.
    ///
    /// - Returns: the number of bytes read; less than the buffer's size only at the end of the file.
    func read(into buffer: inout MutableRawSpan, at offset: UInt64) throws(StorageError) -> Int

    /// Takes bytes from `offset` on into a pipe without copying them, as many as it has room for.
    ///
    /// - Returns: how many; none when the store cannot, and they are to be read.
    func gather(into pipe: PagePipe, at offset: UInt64, count: Int) throws(StorageError) -> Int

    /// Writes the whole buffer at `offset`, growing the file as needed.
    func write(_ buffer: RawSpan, at offset: UInt64) throws(StorageError)

    /// Sets the length; what is added reads as zeros.
    func truncate(to length: UInt64) throws(StorageError)

    /// Reserves space for the range, so that a later write to it cannot fail for lack of it; grows the file as needed.
    func allocate(_ range: Range<UInt64>) throws(StorageError)

    /// Gives the range's space back; it reads as zeros afterwards.
    func punchHole(_ range: Range<UInt64>) throws(StorageError)

    /// Begins to bring what was written to the range to the disk, so that ``synchronize()`` finds less to do.
    func beginWriteback(_ range: Range<UInt64>)

    /// Makes what was written durable, as fdatasync does.
    func synchronize() throws(StorageError)

    /// The first run at or after `offset` that may hold data, or nil when only a hole is left.
    func nextData(from offset: UInt64) throws(StorageError) -> Range<UInt64>?
}

extension ByteStore {
    /// Promises nothing, so a store may do nothing.
    public func beginWriteback(_ range: Range<UInt64>) {}

    /// Only files have pages to give.
    public func gather(into pipe: PagePipe, at offset: UInt64, count: Int) throws(StorageError) -> Int { 0 }
}

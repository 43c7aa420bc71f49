// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

extension ByteStore {
    /// Reads exactly `count` bytes; a file that ends before is corrupt.
    package func bytes(at offset: UInt64, count: Int) throws(StorageError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var span = bytes.mutableSpan
        var raw = unsafe span.mutableBytes
        try readFully(into: &raw, at: offset)
        return bytes
    }

    /// Fills the whole buffer; a file that ends before is corrupt.
    package func readFully(into buffer: inout MutableRawSpan, at offset: UInt64) throws(StorageError) {
        let wanted = buffer.byteCount
        guard try read(into: &buffer, at: offset) == wanted else {
            throw StorageError(.corrupt, name: name, detail: "ends too early", offset: offset)
        }
    }

    /// Writes all the bytes at `offset`.
    package func write(_ bytes: [UInt8], at offset: UInt64) throws(StorageError) {
        try unsafe write(bytes.span.bytes, at: offset)
    }
}

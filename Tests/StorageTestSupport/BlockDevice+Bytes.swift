// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

public import BlockStorage

extension BlockDevice {
    /// Reads bytes into an array.
    public func bytes(at offset: UInt64, count: Int) throws(StorageError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0xEE, count: count)
        var span = bytes.mutableSpan
        var raw = unsafe span.mutableBytes
        try read(into: &raw, at: offset)
        return bytes
    }

    /// Writes an array's bytes.
    public func write(_ bytes: [UInt8], at offset: UInt64) throws(StorageError) {
        try unsafe write(bytes.span.bytes, at: offset)
    }
}

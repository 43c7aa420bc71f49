// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage

/// Reads the fields of a structure of one disk's file.
struct DiskFields {
    let path: String
    private let reader: FieldReader

    init(_ bytes: [UInt8], _ order: ByteOrder, path: String) {
        self.path = path
        reader = FieldReader(bytes, order, name: path)
    }

    var bytes: [UInt8] { reader.bytes }

    func integer<Integer: FixedWidthInteger & UnsignedInteger>(at offset: Int) throws(DiskError) -> Integer {
        do throws(StorageError) { return try reader.integer(at: offset) } catch {
            throw DiskError(error, path: path)
        }
    }

    func slice(at offset: Int, count: Int) throws(DiskError) -> [UInt8] {
        do throws(StorageError) { return try reader.slice(at: offset, count: count) } catch {
            throw DiskError(error, path: path)
        }
    }

    func units(at offset: Int, count: Int) throws(DiskError) -> [UInt16] {
        do throws(StorageError) { return try reader.units(at: offset, count: count) } catch {
            throw DiskError(error, path: path)
        }
    }
}

/// Runs file I/O on a disk's file, and says which disk it was when it fails.
func reaching<Result>(
    _ path: String, _ body: () throws(StorageError) -> Result
) throws(DiskError) -> Result {
    do throws(StorageError) { return try body() } catch { throw DiskError(error, path: path) }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import StorageTestSupport
import Testing

struct RawDeviceTests {
    let folder: TemporaryFolder
    let store: FileStore

    init() throws {
        folder = try TemporaryFolder()
        store = try FileStore(creating: folder.appending("disk.raw"))
        try store.truncate(to: 1 << 20)
    }

    @Test func `bytes go one to one`() throws {
        let device = try RawDevice(store, isReadOnly: false)
        let bytes = [UInt8](repeating: 3, count: 777)
        try unsafe device.write(bytes.span.bytes, at: 5000)
        try device.writeZeroes(5100..<5200)
        try device.flush()
        let stored = try store.bytes(at: 5000, count: 777)
        #expect(stored[0..<100].allSatisfy { $0 == 3 })
        #expect(stored[100..<200].allSatisfy { $0 == 0 })
        #expect(stored[200...].allSatisfy { $0 == 3 })
        #expect(try device.extents(in: 0..<(1 << 20)).last?.range.upperBound == 1 << 20)
    }

    @Test func `requests that leave the disk change nothing`() throws {
        let device = try RawDevice(store, isReadOnly: false)
        let bytes = [UInt8](repeating: 3, count: 512)
        for offset: UInt64 in [(1 << 20) - 511, 1 << 20, UInt64.max - 100] {
            #expect(throws: StorageError.self) { try unsafe device.write(bytes.span.bytes, at: offset) }
        }
        #expect(throws: StorageError.self) { try device.writeZeroes(0..<UInt64.max) }
        #expect(throws: StorageError.self) { try device.extents(in: 0..<UInt64.max) }
        #expect(try store.length() == 1 << 20)
        #expect(try store.nextData(from: 0) == nil)
    }

    @Test func `an odd length is refused and a read-only device takes no writes`() throws {
        let device = try RawDevice(store, isReadOnly: true)
        #expect(throws: StorageError.self) { try device.writeZeroes(0..<512) }
        try store.truncate(to: 1000)
        #expect(throws: StorageError.self) { try RawDevice(store, isReadOnly: true) }
    }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import Testing

struct FieldTests {
    @Test func `numbers are written and read in both orders`() throws {
        var big = FieldWriter(count: 16, .big, name: "header")
        try big.put(0x1234 as UInt16, at: 0)
        try big.put(0x0102_0304_0506_0708 as UInt64, at: 8)
        #expect(big.bytes == [0x12, 0x34, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8])
        var little = FieldWriter(count: 8, .little, name: "header")
        try little.put(0x0102_0304 as UInt32, at: 4)
        #expect(little.bytes == [0, 0, 0, 0, 4, 3, 2, 1])
        #expect(try FieldReader(big.bytes, .big, name: "header").integer(UInt64.self, at: 8) == 0x0102_0304_0506_0708)
        #expect(try FieldReader(little.bytes, .little, name: "header").integer(UInt32.self, at: 4) == 0x0102_0304)
        #expect(try FieldReader([0, 65, 0, 66], .big, name: "name").units(at: 0, count: 4) == [65, 66])
    }

    @Test(arguments: [-1, 1, 9, Int.max, Int.min])
    func `a field outside the structure is an error`(offset: Int) {
        let reader = FieldReader([UInt8](repeating: 0, count: 8), .big, name: "header")
        #expect(throws: StorageError.self) { try reader.integer(UInt64.self, at: offset) }
        #expect(throws: StorageError.self) { try reader.slice(at: offset, count: 8) }
        #expect(throws: StorageError.self) { try reader.slice(at: 0, count: -1) }
        #expect(throws: StorageError.self) { try reader.slice(at: 4, count: .max) }
        var writer = FieldWriter(count: 8, .big, name: "header")
        #expect(throws: StorageError.self) { try writer.put(1 as UInt64, at: offset) }
    }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import SystemPackage
import VirtualDisk

/// A VHDX's file as bytes to damage, with the places at which this package puts its structures.
struct VHDXBytes {
    static let headers: [Int] = [64 << 10, 128 << 10]
    static let regionTables: [Int] = [192 << 10, 256 << 10]
    static let log: Int = 1 << 20
    static let metadata: Int = 2 << 20
    static let table: Int = 3 << 20

    /// The metadata's items in their order, each where its table entry is.
    enum Item: Int { case fileParameters, size, diskIdentity, sectorSize, physicalSectorSize, locator }

    var bytes: [UInt8]
    /// The header that counts.
    var header: Int = headers[0]

    init(bytes: [UInt8]) {
        self.bytes = bytes
    }

    init(_ path: FilePath) throws {
        let store = try FileStore(opening: path, access: .readOnly)
        bytes = try store.bytes(at: 0, count: Int(store.length()))
    }

    func number<Integer: FixedWidthInteger & UnsignedInteger>(at offset: Int) -> Integer {
        (0..<Integer.bitWidth / 8).reduce(0) { $0 | Integer(bytes[offset + $1]) << Integer(8 * $1) }
    }

    mutating func put<Integer: FixedWidthInteger & UnsignedInteger>(_ value: Integer, at offset: Int) {
        for index in 0..<Integer.bitWidth / 8 {
            bytes[offset + index] = UInt8(truncatingIfNeeded: value >> Integer(8 * index))
        }
    }

    func entry(of item: Item) -> Int { Self.metadata + 32 + 32 * item.rawValue }

    func place(of item: Item) -> Int { Self.metadata + Int(number(at: entry(of: item) + 16) as UInt32) }

    /// Changes both headers alike, or both region tables.
    mutating func putInBoth<Integer: FixedWidthInteger & UnsignedInteger>(
        _ value: Integer, _ starts: [Int], at offset: Int
    ) {
        for start in starts { put(value, at: start + offset) }
    }

    /// Changes an entry of the block table.
    mutating func changeEntry(_ index: Int, _ change: (inout UInt64) -> Void) {
        var entry: UInt64 = number(at: Self.table + 8 * index)
        change(&entry)
        put(entry, at: Self.table + 8 * index)
    }

    /// Makes the checksums of the headers and region tables right again.
    mutating func sum() {
        for start in Self.headers { sum(start..<start + 4096) }
        for start in Self.regionTables { sum(start..<start + 65536) }
    }

    mutating func sum(_ range: Range<Int>) {
        put(0 as UInt32, at: range.lowerBound + 4)
        put(Self.checksum(bytes[range]), at: range.lowerBound + 4)
    }

    /// Where the log's newest entry begins.
    var newestEntry: Int? {
        stride(from: Self.log, to: Self.metadata, by: 4096).filter {
            bytes[$0..<$0 + 4].elementsEqual("loge".utf8)
                && bytes[$0 + 32..<$0 + 48] == bytes[header + 48..<header + 64]
        }.max { (number(at: $0 + 16) as UInt64) < (number(at: $1 + 16) as UInt64) }
    }

    /// Makes an entry's checksum right again, if its length makes sense.
    mutating func sumEntry(_ entry: Int) {
        let length = Int(number(at: entry + 8) as UInt32)
        guard length >= 64, entry + length <= Self.metadata else { return }
        sum(entry..<entry + length)
    }

    /// CRC-32C, a bit at a time: another way than the module's own.
    static func checksum(_ bytes: some Sequence<UInt8>) -> UInt32 {
        var sum = UInt32.max
        for byte in bytes {
            sum ^= UInt32(byte)
            for _ in 0..<8 { sum = sum >> 1 ^ (sum & 1 == 0 ? 0 : 0x82F6_3B78) }
        }
        return ~sum
    }
}

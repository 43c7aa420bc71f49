// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import Foundation
import StorageTestSupport
import SystemPackage
import Testing
import VirtualDisk

/// One way in which a VHDX's file is wrong, and what becomes of it.
struct VHDXDamage: CustomTestStringConvertible, Sendable {
    var name: String
    /// Nil when the disk is read as if nothing were wrong.
    var code: DiskError.Code?
    var field: String?
    var sums: Bool = true
    var change: @Sendable (inout VHDXBytes) -> Void

    var testDescription: String { name }

    init(
        _ name: String, _ code: DiskError.Code?, _ field: String? = nil, sums: Bool = true,
        _ change: @escaping @Sendable (inout VHDXBytes) -> Void
    ) {
        self.name = name
        self.code = code
        self.field = field
        self.sums = sums
        self.change = change
    }

    typealias Bytes = VHDXBytes

    static let headers: [VHDXDamage] = [
        VHDXDamage("file identifier", .notADisk, "file identifier") { $0.bytes[3] ^= 1 },
        VHDXDamage("short file", .notADisk, sums: false) { $0.bytes.removeLast($0.bytes.count - 4096) },
        VHDXDamage("one header's checksum", nil, sums: false) { $0.bytes[Bytes.headers[0] + 20] ^= 1 },
        VHDXDamage("both headers' checksums", .malformed, "header", sums: false) { disk in
            for start in Bytes.headers { disk.bytes[start + 20] ^= 1 }
        },
        VHDXDamage("two headers with one number", .malformed, "sequence number") {
            $0.putInBoth(7 as UInt64, Bytes.headers, at: 8)
            $0.bytes[Bytes.headers[0] + 33] ^= 1
        },
        VHDXDamage("version", .unsupported, "version") { $0.putInBoth(2 as UInt16, Bytes.headers, at: 66) },
        VHDXDamage("log of no length", .malformed, "log length") { $0.putInBoth(0 as UInt32, Bytes.headers, at: 68) },
        VHDXDamage("log of 4 GiB", .malformed, "log length") {
            $0.putInBoth(0xFFF0_0000 as UInt32, Bytes.headers, at: 68)
        },
        VHDXDamage("odd log length", .malformed, "log length") { $0.putInBoth(4096 as UInt32, Bytes.headers, at: 68) },
        VHDXDamage("log in the headers", .malformed, "log offset") {
            $0.putInBoth(0 as UInt64, Bytes.headers, at: 72)
        },
        VHDXDamage("log beyond the end", .malformed, "log region") {
            $0.putInBoth(1 << 40 as UInt64, Bytes.headers, at: 72)
        },
        VHDXDamage("log at the end of all numbers", .malformed, "log offset") {
            $0.putInBoth(UInt64.max & ~0xFFFFF, Bytes.headers, at: 72)
        },
        VHDXDamage("log in the metadata", .malformed, "layout") {
            $0.putInBoth(UInt64(Bytes.metadata), Bytes.headers, at: 72)
        },
        VHDXDamage("log that counts, with nothing in it", .malformed, "log") {
            $0.putInBoth(5 as UInt64, Bytes.headers, at: 48)
            $0.bytes.replaceSubrange(Bytes.log..<Bytes.metadata, with: [UInt8](repeating: 0, count: 1 << 20))
        },
        VHDXDamage("log version that counts", .unsupported, "log version") {
            $0.putInBoth(5 as UInt64, Bytes.headers, at: 48)
            $0.putInBoth(1 as UInt16, Bytes.headers, at: 64)
        },
        VHDXDamage("log version that does not count", nil) { $0.putInBoth(1 as UInt16, Bytes.headers, at: 64) },
    ]

    static let regions: [VHDXDamage] = [
        VHDXDamage("one region table's checksum", nil, sums: false) { $0.bytes[Bytes.regionTables[0] + 100] ^= 1 },
        VHDXDamage("both region tables' checksums", .malformed, "region table", sums: false) { disk in
            for start in Bytes.regionTables { disk.bytes[start + 100] ^= 1 }
        },
        VHDXDamage("region tables that differ", .malformed, "region table") {
            $0.put(4 << 20 as UInt64, at: Bytes.regionTables[1] + 32)
        },
        VHDXDamage("region count", .malformed, "region count") {
            $0.putInBoth(3000 as UInt32, Bytes.regionTables, at: 8)
        },
        VHDXDamage("a region less", .malformed, "region table") {
            $0.putInBoth(1 as UInt32, Bytes.regionTables, at: 8)
        },
        VHDXDamage("unknown region that is required", .unsupported, "region") { disk in
            disk.putInBoth(3 as UInt32, Bytes.regionTables, at: 8)
            disk.putInBoth(77 as UInt64, Bytes.regionTables, at: 80)
            disk.putInBoth(64 << 20 as UInt64, Bytes.regionTables, at: 96)
            disk.putInBoth(1 << 20 as UInt32, Bytes.regionTables, at: 104)
            disk.putInBoth(1 as UInt32, Bytes.regionTables, at: 108)
        },
        VHDXDamage("unknown region that is not required", nil) { disk in
            disk.putInBoth(3 as UInt32, Bytes.regionTables, at: 8)
            disk.putInBoth(77 as UInt64, Bytes.regionTables, at: 80)
            disk.putInBoth(64 << 20 as UInt64, Bytes.regionTables, at: 96)
            disk.putInBoth(1 << 20 as UInt32, Bytes.regionTables, at: 104)
        },
        VHDXDamage("unknown region that overlaps", .malformed, "layout") { disk in
            disk.putInBoth(3 as UInt32, Bytes.regionTables, at: 8)
            disk.putInBoth(77 as UInt64, Bytes.regionTables, at: 80)
            disk.putInBoth(UInt64(Bytes.metadata), Bytes.regionTables, at: 96)
            disk.putInBoth(1 << 20 as UInt32, Bytes.regionTables, at: 104)
        },
        VHDXDamage("table region at 0", .malformed) { $0.putInBoth(0 as UInt64, Bytes.regionTables, at: 32) },
        VHDXDamage("table region beyond the end", .malformed, "block table region") {
            $0.putInBoth(1 << 40 as UInt64, Bytes.regionTables, at: 32)
        },
        VHDXDamage("regions in one place", .malformed) {
            $0.putInBoth(UInt64(Bytes.table), Bytes.regionTables, at: 64)
        },
        VHDXDamage("odd region length", .malformed) { $0.putInBoth(4096 as UInt32, Bytes.regionTables, at: 40) },
        VHDXDamage("region without length", .malformed) { $0.putInBoth(0 as UInt32, Bytes.regionTables, at: 40) },
    ]

    static let metadata: [VHDXDamage] = [
        VHDXDamage("metadata signature", .malformed, "metadata signature") { $0.bytes[Bytes.metadata] ^= 1 },
        VHDXDamage("metadata count", .malformed, "metadata count") { $0.put(2048 as UInt16, at: Bytes.metadata + 10) },
        VHDXDamage("no items", .malformed, "file parameters") { $0.put(0 as UInt16, at: Bytes.metadata + 10) },
        VHDXDamage("no parent locator", .malformed, "parent locator") { $0.put(5 as UInt16, at: Bytes.metadata + 10) },
        VHDXDamage("unknown item that is required", .unsupported, "metadata item") {
            $0.bytes[$0.entry(of: .locator)] ^= 1
        },
        VHDXDamage("item beyond the region", .malformed) {
            $0.put(0xFFFF_FFFF as UInt32, at: $0.entry(of: .size) + 16)
        },
        VHDXDamage("item in the table", .malformed) { $0.put(64 as UInt32, at: $0.entry(of: .size) + 16) },
        VHDXDamage("items in one place", .malformed, "metadata") {
            $0.put($0.number(at: $0.entry(of: .size) + 16) as UInt32, at: $0.entry(of: .diskIdentity) + 16)
        },
        VHDXDamage("item of a wrong length", .malformed, "size") { $0.put(4 as UInt32, at: $0.entry(of: .size) + 20) },
        VHDXDamage("block size 0", .malformed, "block size") { $0.put(0 as UInt32, at: $0.place(of: .fileParameters)) },
        VHDXDamage("block size 3 MiB", .malformed, "block size") {
            $0.put(3 << 20 as UInt32, at: $0.place(of: .fileParameters))
        },
        VHDXDamage("block size 512 KiB", .malformed, "block size") {
            $0.put(512 << 10 as UInt32, at: $0.place(of: .fileParameters))
        },
        VHDXDamage("block size 512 MiB", .malformed, "block size") {
            $0.put(512 << 20 as UInt32, at: $0.place(of: .fileParameters))
        },
        VHDXDamage("size 0", .malformed, "size") { $0.put(0 as UInt64, at: $0.place(of: .size)) },
        VHDXDamage("odd size", .malformed, "size") { $0.put(VHDXChain.size + 1, at: $0.place(of: .size)) },
        VHDXDamage("size beyond 64 TiB", .malformed, "size") {
            $0.put(VHDX.largestSize + 4096, at: $0.place(of: .size))
        },
        VHDXDamage("size of all ones", .malformed, "size") { $0.put(UInt64.max, at: $0.place(of: .size)) },
        VHDXDamage("size that the table does not hold", .malformed, "block table region") {
            $0.put(VHDX.largestSize, at: $0.place(of: .size))
        },
        VHDXDamage("size unlike the parent's", .sizeMismatch, "size") {
            $0.put(VHDXChain.size - 4096, at: $0.place(of: .size))
        },
        VHDXDamage("logical sector size 1024", .malformed, "logical sector size") {
            $0.put(1024 as UInt32, at: $0.place(of: .sectorSize))
        },
        VHDXDamage("logical sector size unlike the parent's", .sizeMismatch, "logical sector size") {
            $0.put(4096 as UInt32, at: $0.place(of: .sectorSize))
            // With sectors of 4 KiB a chunk has eight times the blocks, and its bitmap another place in the table.
            $0.bytes.replaceSubrange(Bytes.table..<Bytes.table + (1 << 20), with: [UInt8](repeating: 0, count: 1 << 20))
        },
        VHDXDamage("physical sector size 0", .malformed, "physical sector size") {
            $0.put(0 as UInt32, at: $0.place(of: .physicalSectorSize))
        },
    ]

    static let locators: [VHDXDamage] = [
        VHDXDamage("locator type", .unsupported, "parent locator type") { $0.bytes[$0.place(of: .locator)] ^= 1 },
        VHDXDamage("pairs beyond the item", .malformed, "parent locator") {
            $0.put(0xFFFF as UInt16, at: $0.place(of: .locator) + 18)
        },
        VHDXDamage("key beyond the item", .malformed, "parent locator") {
            $0.put(0xFFFF_FFF0 as UInt32, at: $0.place(of: .locator) + 20)
        },
        VHDXDamage("odd value length", .malformed, "parent locator") {
            $0.put(7 as UInt16, at: $0.place(of: .locator) + 30)
        },
        VHDXDamage("no linkage", .malformed, "parent_linkage") {
            // The first letter of the key.
            $0.bytes[$0.place(of: .locator) + Int($0.number(at: $0.place(of: .locator) + 20) as UInt32)] ^= 1
        },
        VHDXDamage("another parent", .parentMismatch, "parent identity") {
            // A digit of the identity.
            let value = Int($0.number(at: $0.place(of: .locator) + 24) as UInt32)
            let digit = $0.place(of: .locator) + value + 4
            $0.bytes[digit] = $0.bytes[digit] == UInt8(ascii: "0") ? UInt8(ascii: "1") : UInt8(ascii: "0")
        },
        VHDXDamage("no identity", .malformed, "parent_linkage") {
            let value = Int($0.number(at: $0.place(of: .locator) + 24) as UInt32)
            $0.bytes[$0.place(of: .locator) + value + 4] = UInt8(ascii: "x")
        },
    ]

    static let tables: [VHDXDamage] = [
        VHDXDamage("block state 4", .malformed, "block 0") { $0.changeEntry(0) { $0 = $0 & ~7 | 4 } },
        VHDXDamage("bitmap state 7", .malformed) { $0.changeEntry(2048) { $0 |= 7 } },
        VHDXDamage("no bitmap", .malformed, "block 0") { $0.changeEntry(2048) { $0 = 0 } },
        VHDXDamage("block in the headers", .malformed, "block 0") { $0.changeEntry(0) { $0 &= 7 } },
        VHDXDamage("block in the metadata", .malformed, "layout") {
            $0.changeEntry(0) { $0 = $0 & 7 | UInt64(Bytes.metadata) }
        },
        VHDXDamage("block beyond the end", .malformed, "block 0") { $0.changeEntry(0) { $0 |= 1 << 62 } },
        VHDXDamage("block that the end cuts", .malformed, sums: false) { $0.bytes.removeLast(4096) },
        VHDXDamage("two blocks in one place", .malformed, "layout") {
            let entry: UInt64 = $0.number(at: Bytes.table)
            $0.changeEntry(2) { $0 = entry }
        },
        VHDXDamage("reserved bits", nil) { $0.changeEntry(0) { $0 |= 0xFFFF0 } },
    ]
}

struct VHDXMalformedTests {
    @Test(
        arguments: VHDXDamage.headers + VHDXDamage.regions + VHDXDamage.metadata + VHDXDamage.locators
            + VHDXDamage.tables)
    func `a damaged disk is refused with its field, or read as it was`(damage: VHDXDamage) throws {
        let disks = try VHDXChain()
        try disks.edit(disks.leaf, summing: damage.sums, damage.change)
        guard let code = damage.code else {
            #expect(try disks.read() == disks.content)
            return
        }
        let before = try disks.files()
        for access in [FileAccess.readOnly, .readWrite] {
            let error = #expect(throws: DiskError.self) { try disks.open(access: access) }
            #expect(error?.code == code, "\(error?.description ?? "")")
            if let field = damage.field { #expect(error?.field == field, "\(error?.description ?? "")") }
        }
        #expect(try disks.files() == before)
    }

    @Test func `a parent that was written is no longer the parent`() throws {
        let disks = try VHDXChain()
        let base = try disks.open(disks.base, access: .readWrite)
        try base.write([9], at: 0)
        try base.close()
        let error = #expect(throws: DiskError.self) { try disks.open() }
        #expect(error?.code == .parentMismatch)
    }

    @Test func `a parent that is folded into keeps its children`() throws {
        let disks = try VHDXChain()
        try DiskChain.fold(disks.leaf, into: disks.base, beneath: disks.lab)
        #expect(try disks.read() == disks.content)
        let base = try disks.open(disks.base)
        #expect(try base.bytes(at: 0, count: Int(base.size)) == disks.content)
    }

    @Test func `an absolute path is told, and of it the name beside the child is followed alone`() throws {
        let disks = try VHDXChain()
        try disks.edit(disks.leaf) { disk in
            // The second pair, "relative_path", becomes "volume_path".
            let pair = disk.place(of: .locator) + 32
            let key = disk.place(of: .locator) + Int(disk.number(at: pair) as UInt32)
            disk.bytes.replaceSubrange(key..<key + 22, with: "volume_path".utf16.flatMap { [UInt8($0), 0] })
            disk.put(22 as UInt16, at: pair + 8)
        }
        let link = try DiskInfo.inspect(disks.leaf, beneath: disks.lab).parent?.link
        #expect(link?.relativePaths == [])
        #expect(link?.absolutePaths == [".\\base.vhdx"])
        #expect(try disks.read() == disks.content)
    }

    @Test func `a child without any path to its parent is refused`() throws {
        let disks = try VHDXChain()
        try disks.edit(disks.leaf) { disk in
            let locator = disk.place(of: .locator)
            let key = locator + Int(disk.number(at: locator + 32) as UInt32)
            disk.bytes[key] = UInt8(ascii: "x")
        }
        let error = #expect(throws: DiskError.self) { try disks.open() }
        #expect(error?.code == .malformed)
        #expect(error?.field == "relative_path")
    }

    /// Every byte of the structures, one after the other: never a crash, and never another disk's bytes unnoticed.
    @Test func `a flipped byte of the metadata is refused or does not matter`() throws {
        let disks = try VHDXChain()
        let original = try VHDXBytes(disks.leaf)
        let locator = original.place(of: .locator)
        let length = Int(original.number(at: original.entry(of: .locator) + 20) as UInt32)
        var places = Array(0..<8)
        for start in VHDXBytes.headers { places += start..<start + 80 }
        for start in VHDXBytes.regionTables { places += start..<start + 80 }
        places += VHDXBytes.metadata..<VHDXBytes.metadata + 32 + 6 * 32
        places += original.place(of: .fileParameters)..<original.place(of: .fileParameters) + 48
        places += locator..<locator + length
        places += VHDXBytes.table..<VHDXBytes.table + 40
        places += VHDXBytes.table + 8 * 2048..<VHDXBytes.table + 8 * 2049
        let files = try ["base.vhdx": VHDXBytes(disks.base).bytes, "leaf.avhdx": original.bytes]
        // Long runs flip each byte, short ones others each time.
        if ProcessInfo.processInfo.environment["FERMATA_TEST_ALL"] == nil {
            places = Array(places.shuffled().prefix(60))
        }
        for sums in [false, true] {
            for place in places {
                var disk = original
                disk.bytes[place] ^= 0x41
                if sums { disk.sumWhere(place) }
                var files = files
                files["leaf.avhdx"] = disk.bytes
                for access in [FileAccess.readOnly, .readWrite] {
                    // Whatever it is, it is no trap; without right checksums it is no other disk either.
                    guard let chain = try? DiskChain.open(["leaf.avhdx"], in: RecordingTree(files), access: access),
                        let found = try? chain.bytes(at: 0, count: Int(chain.size))
                    else { continue }
                    if place < VHDXBytes.metadata, !sums {
                        #expect(found.isSame(as: disks.content), "byte \(place)")
                    }
                }
            }
        }
    }
}

extension VHDXBytes {
    /// Makes the checksum over a place right again.
    mutating func sumWhere(_ place: Int) {
        for start in Self.headers where (start..<start + 4096).contains(place) { sum(start..<start + 4096) }
        for start in Self.regionTables where (start..<start + 65536).contains(place) { sum(start..<start + 65536) }
    }
}

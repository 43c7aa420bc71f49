// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import StorageTestSupport
import SystemPackage
import Testing
import VirtualDisk

/// One way in which a disk's file is wrong, and what becomes of it.
struct Damage: CustomTestStringConvertible, Sendable {
    var name: String
    /// Nil when the disk is read as if nothing were wrong.
    var code: DiskError.Code?
    var field: String?
    var sums: Bool = true
    var change: @Sendable (inout VHDBytes) -> Void

    var testDescription: String { name }

    init(
        _ name: String, _ code: DiskError.Code?, _ field: String? = nil, sums: Bool = true,
        _ change: @escaping @Sendable (inout VHDBytes) -> Void
    ) {
        self.name = name
        self.code = code
        self.field = field
        self.sums = sums
        self.change = change
    }

    static let footers: [Damage] = [
        Damage("footer checksum", nil, sums: false) { $0.bytes[$0.footer + 70] ^= 1 },
        Damage("footer copy's checksum", nil, sums: false) { $0.bytes[70] ^= 1 },
        Damage("both checksums", .malformed, "footer checksum", sums: false) {
            $0.bytes[$0.footer + 70] ^= 1
            $0.bytes[70] ^= 1
        },
        Damage("no footer", nil, sums: false) { $0.bytes.removeLast(512) },
        Damage("a footer of 511 bytes", nil, sums: false) { $0.bytes.removeLast() },
        Damage("copy of another disk", .malformed, "footer copy") { $0.bytes[68] ^= 1 },
        Damage("footer version", .unsupported, "footer version") { $0.putInFooters(0x0002_0000 as UInt32, at: 12) },
        Damage("disk type 7", .malformed, "disk type") { $0.putInFooters(7 as UInt32, at: 60) },
        Damage("size 0", .malformed, "size") { $0.putInFooters(0 as UInt64, at: 48) },
        Damage("size of all ones", .malformed, "size") { $0.putInFooters(UInt64.max, at: 48) },
        Damage("odd size", .malformed, "size") { $0.putInFooters(ThreeDisks.size + 1, at: 48) },
        Damage("size beyond 2040 GiB", .malformed, "size") { $0.putInFooters(VHD.largestSize + 512, at: 48) },
        Damage("size unlike the parent's", .sizeMismatch, "size") { $0.putInFooters(ThreeDisks.size - 512, at: 48) },
        Damage("data offset beyond the end", .malformed, "data offset") { $0.putInFooters(UInt64.max - 511, at: 16) },
        Damage("odd data offset", .malformed, "data offset") { $0.putInFooters(513 as UInt64, at: 16) },
        Damage("header within the footer", .malformed) { $0.putInFooters(0 as UInt64, at: 16) },
    ]

    static let headers: [Damage] = [
        Damage("header checksum", .malformed, "header checksum", sums: false) { $0.bytes[VHDBytes.header + 50] ^= 1 },
        Damage("header cookie", .malformed, "header cookie") { $0.bytes[VHDBytes.header] = 0 },
        Damage("header version", .unsupported, "header version") { $0.put(0 as UInt32, at: VHDBytes.header + 24) },
        Damage("parent identity", .parentMismatch, "parent identity") { $0.bytes[VHDBytes.header + 40] ^= 1 },
        Damage("parent time", nil) { $0.put(5 as UInt32, at: VHDBytes.header + 56) },
        Damage("table offset 0", .malformed) { $0.put(0 as UInt64, at: VHDBytes.header + 16) },
        Damage("table offset beyond the end", .malformed, "table offset") {
            $0.put(UInt64.max - 511, at: VHDBytes.header + 16)
        },
        Damage("table in the header", .malformed, "layout") { $0.put(1024 as UInt64, at: VHDBytes.header + 16) },
        Damage("block size 0", .malformed, "block size") { $0.put(0 as UInt32, at: VHDBytes.header + 32) },
        Damage("block size 3 MiB", .malformed, "block size") { $0.put(3 << 20 as UInt32, at: VHDBytes.header + 32) },
        Damage("block size 2 GiB", .malformed, "block size") { $0.put(1 << 31 as UInt32, at: VHDBytes.header + 32) },
        Damage("block size 512", .malformed, "block size") { $0.put(512 as UInt32, at: VHDBytes.header + 32) },
        Damage("too many table entries", .malformed, "table entries") {
            $0.put(0x7FFF_FFFF as UInt32, at: VHDBytes.header + 28)
        },
        Damage("too few table entries", .malformed, "table entries") { $0.put(2 as UInt32, at: VHDBytes.header + 28) },
        Damage("more table entries than there is room", .malformed) {
            $0.put(4_000_000 as UInt32, at: VHDBytes.header + 28)
        },
    ]

    static let tables: [Damage] = [
        Damage("two blocks in one place", .malformed, "layout") {
            $0.put($0.number(at: VHDBytes.table), at: VHDBytes.table + 4)
        },
        Damage("overlapping blocks", .malformed, "layout") {
            $0.put($0.number(at: VHDBytes.table) + 8, at: VHDBytes.table + 4)
        },
        Damage("block in the footer copy", .malformed, "layout") { $0.put(0 as UInt32, at: VHDBytes.table) },
        Damage("block in the table", .malformed, "layout") { $0.put(3 as UInt32, at: VHDBytes.table) },
        Damage("block in the locator", .malformed, "layout") { $0.put(5 as UInt32, at: VHDBytes.table) },
        Damage("block beyond the end", .malformed, "table entry 1") {
            $0.put(0x00FF_FFFF as UInt32, at: VHDBytes.table + 4)
        },
        Damage("block at the last place", .malformed, "table entry 0") {
            $0.put(0xFFFF_FFFE as UInt32, at: VHDBytes.table)
        },
        Damage("cut off last block", .malformed) {
            $0.bytes.removeSubrange($0.footer - 4096..<$0.footer)
        },
    ]

    static let locators: [Damage] = [
        Damage("locator of 4 GiB", .malformed, "parent locator") {
            $0.put(UInt32.max, at: VHDBytes.firstLocator + 8)
        },
        Damage("locator with no space", .malformed, "parent locator") {
            $0.put(0 as UInt32, at: VHDBytes.firstLocator + 4)
        },
        Damage("locator space in sectors", nil) { $0.put(4 as UInt32, at: VHDBytes.firstLocator + 4) },
        Damage("locator beyond the end", .malformed, "parent locator") {
            $0.put(UInt64.max - 8, at: VHDBytes.firstLocator + 16)
        },
        Damage("locator of odd length", .malformed, "parent locator length") {
            $0.put(27 as UInt32, at: VHDBytes.firstLocator + 8)
        },
        Damage("zero in the path", .malformed, "parent locator") { $0.putParentPath(".\\mid\0dle.avhd") },
        Damage("zeros behind the path", nil) { $0.putParentPath(".\\middle.avhd\0\0") },
        Damage("half a character in the path", nil) { $0.putParentPath([46, 0, 92, 0, 0, 0xD8, 46, 0]) },
        Damage("path out of the lab", .outsideLab, "parent locator") { $0.putParentPath("..\\secret.vhd") },
        Damage("long path out of the lab", .outsideLab) { $0.putParentPath(".\\a\\..\\..\\lab\\middle.avhd") },
        Damage("slashes out of the lab", .outsideLab) { $0.putParentPath("../secret.vhd") },
        Damage("drive", .outsideLab) { $0.putParentPath("C:\\middle.avhd") },
        Damage("drive without a root", .outsideLab) { $0.putParentPath("C:middle.avhd") },
        Damage("share", .outsideLab) { $0.putParentPath("\\\\server\\x\\middle.avhd") },
        Damage("device", .outsideLab) { $0.putParentPath("\\\\?\\C:\\middle.avhd") },
        Damage("root", .outsideLab) { $0.putParentPath("/etc/passwd") },
        Damage("no such file, but the name is right", nil) { $0.putParentPath(".\\other.vhd") },
        Damage("up and down inside the lab", nil) { $0.putParentPath(".\\x\\..\\middle.avhd") },
    ]
}

struct MalformedTests {
    @Test(arguments: Damage.footers + Damage.headers + Damage.tables + Damage.locators)
    func `a damaged disk is refused or read as if it were not`(damage: Damage) throws {
        let disks = try ThreeDisks()
        try disks.edit(disks.leaf, summing: damage.sums) { damage.change(&$0) }
        let before = try disks.files()
        guard let code = damage.code else {
            #expect(try disks.read().isSame(as: disks.content))
            // Whatever was wrong is right, or still bearable, after the disk was written.
            #expect(try disks.files() == before)
            let chain = try disks.open(access: .readWrite)
            try chain.write([UInt8](repeating: 9, count: 1000), at: 3 << 20)
            try chain.close()
            #expect(try disks.open().bytes(at: 3 << 20, count: 1000) == [UInt8](repeating: 9, count: 1000))
            return
        }
        let error = #expect(throws: DiskError.self) { try disks.open() }
        #expect(error?.code == code, "\(String(describing: error))")
        if let field = damage.field { #expect(error?.field == field) }
        #expect(throws: DiskError.self) { try disks.open(access: .readWrite) }
        #expect(try disks.files() == before, "a refused disk is not changed")
    }

    @Test(arguments: [1, 2, .random(in: 3 ... .max)] as [UInt64])
    func `random damage never traps and changes nothing`(seed: UInt64) throws {
        print("damage seed \(seed)")
        var generator = SeededGenerator(seed: seed)
        let disks = try ThreeDisks()
        let whole = try VHDBytes(disks.leaf)
        let interesting: [UInt64] = [0, 1, 2, 511, 512, 1 << 31, 1 << 32, .max, .max - 511, 1 << 63, 5 << 20]
        for _ in 0..<400 {
            var disk = whole
            for _ in 0..<Int.random(in: 1...3, using: &generator) {
                let places = [0..<512, 512..<1536, 1536..<4096, disk.footer..<disk.bytes.count]
                let place = Int.random(in: places[Int.random(in: 0..<4, using: &generator)], using: &generator)
                let number = interesting[Int.random(in: 0..<interesting.count, using: &generator)]
                switch Int.random(in: 0..<3, using: &generator) {
                case 0: disk.bytes[place] = UInt8.random(in: 0...255, using: &generator)
                case 1: disk.put(UInt32(truncatingIfNeeded: number), at: place & ~3)
                default: disk.put(number, at: min(place & ~7, disk.bytes.count - 8))
                }
            }
            if Bool.random(using: &generator) { disk.sum() }
            if Int.random(in: 0..<8, using: &generator) == 0 {
                disk.bytes.removeLast(Int.random(in: 0..<disk.bytes.count, using: &generator))
            }
            var files = ["leaf.avhd": disk.bytes]
            files["middle.avhd"] = try VHDBytes(disks.middle).bytes
            files["base.vhd"] = try VHDBytes(disks.base).bytes
            let tree = RecordingTree(files)
            guard let chain = try? DiskChain.open(["leaf.avhd"], in: tree, access: .readOnly) else { continue }
            _ = try? chain.bytes(at: 0, count: Int(min(chain.size, 6 << 20)))
            _ = try? chain.extents(in: 0..<chain.size)
            #expect(tree.logCount == 0)
        }
    }
}

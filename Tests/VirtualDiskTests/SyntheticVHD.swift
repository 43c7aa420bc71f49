// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import SystemPackage

/// A VHD made byte by byte, as other programs lay theirs out; it uses nothing of the module under test.
struct SyntheticVHD: Sendable {
    /// A path to the parent.
    struct Locator: Sendable {
        var code: String
        var path: [UInt8]
        /// What the entry says its space is; nil for that which it has, in bytes.
        var space: UInt32?
        /// Where it lies; nil for behind what was laid out before.
        var offset: Int?
        /// The space that it has.
        var room: Int = 512

        init(_ code: String, _ path: [UInt8], space: UInt32? = nil, offset: Int? = nil, room: Int = 512) {
            self.code = code
            self.path = path
            self.space = space
            self.offset = offset
            self.room = room
        }

        /// A path in UTF-16, lowest byte first, or for a Macintosh as a URL in UTF-8.
        init(_ code: String, _ path: String, space: UInt32? = nil, offset: Int? = nil, room: Int = 512) {
            let units = path.utf16.flatMap { [UInt8(truncatingIfNeeded: $0), UInt8(truncatingIfNeeded: $0 >> 8)] }
            self.init(code, code == "MacX" ? Array(path.utf8) : units, space: space, offset: offset, room: room)
        }
    }

    /// A block, some of whose sectors were written.
    struct Block: Sendable {
        var number: Int
        var sectors: Range<Int>
        var byte: UInt8
        /// Whether the bitmap says that all sectors are there, as some programs have it in disks without a parent.
        var isMarkedWhole: Bool = false
    }

    /// What the disk's geometry of 160 cylinders, 4 heads and 17 sectors addresses: 5.3 MiB.
    static let size: UInt64 = 160 * 4 * 17 * 512

    var creator: String = "win "
    var creatorVersion: UInt32 = 0x0006_0001
    var host: String = "Wi2k"
    var features: UInt32 = 2
    var version: UInt32 = 0x0001_0000
    var size: UInt64 = Self.size
    var originalSize: UInt64?
    var geometry: (cylinders: UInt16, heads: UInt8, sectors: UInt8) = (160, 4, 17)
    var type: UInt32 = 3
    var identity: [UInt8] = Array(1...16)
    var fixedDataOffset: UInt64 = .max
    var footerLength: Int = 512
    var headerOffset: Int = 512
    var tableOffset: Int?
    var blockSize: UInt32 = 2 << 20
    var extraEntries: Int = 0
    var tablePadding: UInt8 = 0xFF
    /// What data of blocks, or else their bitmap, is aligned to.
    var dataAlignment: Int?
    var parentIdentity: [UInt8] = [UInt8](repeating: 0, count: 16)
    var parentTime: UInt32 = 0
    var parentName: [UInt16] = []
    var locators: [Locator] = []
    var blocks: [Block] = []
    /// Bytes that nothing refers to, before the footer.
    var slack: Int = 0

    private static func sum(_ bytes: inout [UInt8], fieldAt field: Int) {
        put(0 as UInt32, &bytes, field)
        put(~bytes.reduce(0 as UInt32) { $0 &+ UInt32($1) }, &bytes, field)
    }

    static func put<Integer: FixedWidthInteger & UnsignedInteger>(_ value: Integer, _ bytes: inout [UInt8], _ at: Int) {
        let width = Integer.bitWidth / 8
        grow(&bytes, to: at + width)
        for index in 0..<width {
            bytes[at + index] = UInt8(truncatingIfNeeded: value >> Integer(8 * (width - 1 - index)))
        }
    }

    private static func put(_ part: [UInt8], _ bytes: inout [UInt8], _ at: Int) {
        grow(&bytes, to: at + part.count)
        bytes.replaceSubrange(at..<at + part.count, with: part)
    }

    private static func grow(_ bytes: inout [UInt8], to count: Int) {
        if bytes.count < count { bytes += [UInt8](repeating: 0, count: count - bytes.count) }
    }

    private func text(_ text: String) -> [UInt8] {
        Array(text.utf8.prefix(4)) + [UInt8](repeating: 0, count: max(0, 4 - text.utf8.count))
    }

    /// The footer, all 512 bytes of it.
    var footer: [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 512)
        Self.put(Array("conectix".utf8), &bytes, 0)
        Self.put(features, &bytes, 8)
        Self.put(version, &bytes, 12)
        Self.put(type == 2 ? fixedDataOffset : UInt64(headerOffset), &bytes, 16)
        Self.put(0x1234_5678 as UInt32, &bytes, 24)
        Self.put(text(creator), &bytes, 28)
        Self.put(creatorVersion, &bytes, 32)
        Self.put(text(host), &bytes, 36)
        Self.put(originalSize ?? size, &bytes, 40)
        Self.put(size, &bytes, 48)
        Self.put(geometry.cylinders, &bytes, 56)
        bytes[58] = geometry.heads
        bytes[59] = geometry.sectors
        Self.put(type, &bytes, 60)
        Self.put(identity, &bytes, 68)
        Self.sum(&bytes, fieldAt: 64)
        return bytes
    }

    /// The data of a block's written sectors.
    private func data(of block: Block) -> [UInt8] {
        block.sectors.flatMap { sector in
            [UInt8](repeating: block.byte &+ UInt8(truncatingIfNeeded: sector), count: 512)
        }
    }

    /// What the disk reads as over what its parents read as.
    func content(over parent: [UInt8]? = nil, size: UInt64? = nil) -> [UInt8] {
        let count = Int(size ?? self.size)
        var content = parent ?? [UInt8](repeating: 0, count: count)
        for block in blocks {
            let start = block.number * Int(blockSize) + block.sectors.lowerBound * 512
            let bytes = data(of: block).prefix(max(0, count - start))
            content.replaceSubrange(start..<start + bytes.count, with: bytes)
        }
        return content
    }

    /// The file.
    var file: [UInt8] {
        guard type != 2 else { return content() + footer.prefix(footerLength) }
        var bytes = footer
        let entries = Int((size - 1) / UInt64(blockSize) + 1) + extraEntries
        let table = tableOffset ?? headerOffset + 1024
        let tableLength = (entries * 4 + 511) / 512 * 512
        Self.put([UInt8](repeating: 0xFF, count: entries * 4), &bytes, table)
        Self.put([UInt8](repeating: tablePadding, count: tableLength - entries * 4), &bytes, table + entries * 4)
        var end = max(bytes.count, headerOffset + 1024)
        var head = [UInt8](repeating: 0, count: 1024)
        Self.put(Array("cxsparse".utf8), &head, 0)
        Self.put(UInt64.max, &head, 8)
        Self.put(UInt64(table), &head, 16)
        Self.put(0x0001_0000 as UInt32, &head, 24)
        Self.put(UInt32(entries), &head, 28)
        Self.put(blockSize, &head, 32)
        Self.put(parentIdentity, &head, 40)
        Self.put(parentTime, &head, 56)
        Self.put(parentName.flatMap { [UInt8($0 >> 8), UInt8(truncatingIfNeeded: $0)] }, &head, 64)
        for (index, locator) in locators.enumerated() {
            let offset = locator.offset ?? end
            Self.put(text(locator.code), &head, 576 + 24 * index)
            Self.put(locator.space ?? UInt32(locator.room), &head, 580 + 24 * index)
            Self.put(UInt32(locator.path.count), &head, 584 + 24 * index)
            Self.put(UInt64(offset), &head, 592 + 24 * index)
            Self.put(locator.path, &bytes, offset)
            Self.grow(&bytes, to: offset + locator.room)
            end = max(end, bytes.count)
        }
        Self.sum(&head, fieldAt: 36)
        Self.put(head, &bytes, headerOffset)
        let bitmapLength = (Int(blockSize) / 4096 + 511) / 512 * 512
        for block in blocks {
            var start = (bytes.count + 511) / 512 * 512
            if let dataAlignment {
                start = (start + bitmapLength + dataAlignment - 1) / dataAlignment * dataAlignment - bitmapLength
            }
            Self.put(UInt32(start / 512), &bytes, table + 4 * block.number)
            var bitmap = [UInt8](repeating: 0, count: bitmapLength)
            let marked = block.isMarkedWhole ? 0..<Int(blockSize) / 512 : block.sectors
            for sector in marked { bitmap[sector / 8] |= 0x80 >> UInt8(sector % 8) }
            Self.put(bitmap, &bytes, start)
            Self.put(data(of: block), &bytes, start + bitmapLength + block.sectors.lowerBound * 512)
            Self.grow(&bytes, to: start + bitmapLength + Int(blockSize))
        }
        bytes += [UInt8](repeating: 0x5A, count: slack)
        return bytes + footer.prefix(footerLength)
    }

    /// Writes the file.
    func write(to path: FilePath) throws {
        let store = try FileStore(creating: path)
        try store.write(file, at: 0)
    }
}

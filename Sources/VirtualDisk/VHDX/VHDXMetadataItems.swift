// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage

/// The table of the metadata's items, and the items that are known.
struct VHDXMetadataItems: Sendable {
    /// An item that is known.
    enum Item: String, CaseIterable, Sendable {
        case fileParameters = "file parameters"
        case size = "size"
        case diskIdentity = "disk identity"
        case sectorSize = "logical sector size"
        case physicalSectorSize = "physical sector size"
        case parentLocator = "parent locator"

        var identity: DiskIdentity {
            switch self {
            case .fileParameters: DiskIdentity(0xCAA1_6737_FA36_4D43, 0xB3B6_33F0_AA44_E76B)
            case .size: DiskIdentity(0x2FA5_4224_CD1B_4876, 0xB211_5DBE_D83B_F4B8)
            case .diskIdentity: DiskIdentity(0xBECA_12AB_B2E6_4523, 0x93EF_C309_E000_C746)
            case .sectorSize: DiskIdentity(0x8141_BF1D_A96F_4709, 0xBA47_F233_A8FA_AB5F)
            case .physicalSectorSize: DiskIdentity(0xCDA3_48C7_445D_4471, 0x9CC9_E988_5251_C556)
            case .parentLocator: DiskIdentity(0xA8D3_5F2D_B30B_454D, 0xABF7_D3D8_4834_AB0C)
            }
        }

        /// Whether it describes the disk rather than this file.
        var isOfDisk: Bool { self != .fileParameters && self != .parentLocator }

        /// The flags of its entry.
        var flags: UInt32 { isRequired | (isOfDisk ? VHDXMetadataItems.isOfDisk : 0) }
    }

    private static let signature: [UInt8] = Array("metadata".utf8)
    /// Where the items may begin.
    private static let tableCount: Int = 64 << 10
    private static let mostEntries: UInt16 = 2047
    private static let longest: UInt32 = 1 << 20
    private static let isUser: UInt32 = 1
    private static let isOfDisk: UInt32 = 2
    private static let isRequired: UInt32 = 4

    private struct Key: Hashable {
        var identity: DiskIdentity
        var isUser: Bool
    }

    private let store: any ByteStore
    private let region: Range<UInt64>
    private var ranges: [Item: Range<UInt64>] = [:]
    /// The flags of the entries of the items that are known, and where in the file they are.
    private(set) var flags: [(item: Item, value: UInt32, offset: UInt64)] = []

    /// Reads the table of a region.
    init(_ store: any ByteStore, _ region: Range<UInt64>) throws(DiskError) {
        self.store = store
        self.region = region
        let path = store.name
        let bytes = try reaching(path) { () throws(StorageError) in
            try store.bytes(at: region.lowerBound, count: Self.tableCount)
        }
        let fields = DiskFields(bytes, .little, path: path)
        guard Array(bytes.prefix(8)) == Self.signature else {
            throw .malformed(path, "metadata signature", expected: "metadata", found: "something else")
        }
        let entries: UInt16 = try fields.integer(at: 10)
        guard entries <= Self.mostEntries else {
            throw .malformed(path, "metadata count", expected: "at most \(Self.mostEntries)", found: entries)
        }
        var used: [Range<UInt64>] = []
        var seen: Set<Key> = []
        for index in 0..<Int(entries) {
            let position = 32 + 32 * index
            let identity = try DiskIdentity(fields, at: position)
            let offset: UInt32 = try fields.integer(at: position + 16)
            let length: UInt32 = try fields.integer(at: position + 20)
            let flags: UInt32 = try fields.integer(at: position + 24)
            let isEmpty = length == 0 && offset == 0
            let end = UInt64(offset) + UInt64(length)
            guard
                isEmpty
                    || offset >= UInt32(Self.tableCount) && length > 0 && length <= Self.longest
                        && end <= region.upperBound - region.lowerBound
            else {
                throw .malformed(
                    path, "metadata item \(identity)", expected: "at most 1 MiB inside the region",
                    found: "\(length) bytes at \(offset)")
            }
            guard seen.insert(Key(identity: identity, isUser: flags & Self.isUser != 0)).inserted else {
                throw .malformed(path, "metadata item \(identity)", expected: "one entry", found: "several")
            }
            if !isEmpty { used.append(UInt64(offset)..<end) }
            let item = flags & Self.isUser == 0 ? Item.allCases.first { $0.identity == identity } : nil
            if let item {
                self.flags.append((item, flags, region.lowerBound + UInt64(position + 24)))
                ranges[item] = region.lowerBound + UInt64(offset)..<region.lowerBound + end
            } else if flags & Self.isRequired != 0 {
                throw DiskError(
                    .unsupported, path: path, "the disk needs a reader that knows an item which is not known here",
                    field: "metadata item", found: identity.description)
            }
        }
        try VHDXStructure.checkOverlap(used, "metadata", path: path)
    }

    /// Where an item's content is; nil when the disk does not have it.
    func range(of item: Item) -> Range<UInt64>? { ranges[item] }

    /// An item's content; nil when the disk does not have it.
    func item(_ item: Item) throws(DiskError) -> DiskFields? {
        guard let range = ranges[item] else { return nil }
        let bytes = try reaching(store.name) { () throws(StorageError) in
            try store.bytes(at: range.lowerBound, count: Int(range.upperBound - range.lowerBound))
        }
        return DiskFields(bytes, .little, path: store.name)
    }

    /// The content of an item that every disk has.
    func required(_ item: Item, of count: Int) throws(DiskError) -> DiskFields {
        guard let range = ranges[item], range.upperBound - range.lowerBound == UInt64(count),
            let fields = try self.item(item)
        else {
            let found = ranges[item].map { "\($0.upperBound - $0.lowerBound) bytes" } ?? "nothing"
            throw .malformed(store.name, item.rawValue, expected: "\(count) bytes", found: found)
        }
        return fields
    }

    /// What is to be written so that the disk has another parent locator, or none; all other items stay.
    func relinking(_ locator: [UInt8]?, flags: UInt32) throws(DiskError) -> [(offset: UInt64, bytes: [UInt8])] {
        let path = store.name
        var table = try reaching(path) { () throws(StorageError) in
            try store.bytes(at: region.lowerBound, count: Self.tableCount)
        }
        let fields = DiskFields(table, .little, path: path)
        let count: UInt16 = try fields.integer(at: 10)
        var end = UInt64(Self.tableCount)
        var position: Int?
        for index in 0..<Int(count) {
            let place = 32 + 32 * index
            let (offset, length): (UInt32, UInt32) = (
                try fields.integer(at: place + 16), try fields.integer(at: place + 20)
            )
            end = max(end, UInt64(offset) + UInt64(length))
            let itemFlags: UInt32 = try fields.integer(at: place + 24)
            let identity = try DiskIdentity(fields, at: place)
            if itemFlags & Self.isUser == 0, identity == Item.parentLocator.identity { position = place }
        }
        guard let position, let parameters = ranges[.fileParameters], let old = ranges[.parentLocator] else {
            throw .malformed(path, Item.parentLocator.rawValue, expected: "one to change", found: "none")
        }
        var changes: [(offset: UInt64, bytes: [UInt8])] = [(parameters.lowerBound + 4, flags.littleEndianBytes)]
        if let locator {
            var start = old.lowerBound
            if UInt64(locator.count) > old.upperBound - old.lowerBound {
                start = region.lowerBound + VHDX.roundUp(end, to: 8)
                guard start + UInt64(locator.count) <= region.upperBound, UInt32(locator.count) <= Self.longest else {
                    throw DiskError(.noSpace, path: path, "the metadata has no room left for the parent's path")
                }
            }
            changes.append((start, locator))
            let place = UInt32(truncatingIfNeeded: start - region.lowerBound).littleEndianBytes
            table.replaceSubrange(
                position + 16..<position + 24, with: place + UInt32(clamping: locator.count).littleEndianBytes)
        } else {
            let last = 32 * Int(count)
            table.replaceSubrange(position..<position + 32, with: table[last..<last + 32])
            table.replaceSubrange(last..<last + 32, with: [UInt8](repeating: 0, count: 32))
            table.replaceSubrange(10..<12, with: (count - 1).littleEndianBytes)
        }
        changes.append((region.lowerBound, Array(table.prefix(32 + 32 * Int(count)))))
        return changes
    }

    /// The first bytes of a region with these items, one behind the other, the table before them.
    static func bytes(_ items: [(Item, [UInt8])]) throws(StorageError) -> [UInt8] {
        var writer = FieldWriter(
            count: tableCount + items.reduce(0) { $0 + $1.1.count }, .little, name: "VHDX metadata")
        try writer.put(signature, at: 0)
        try writer.put(UInt16(clamping: items.count), at: 10)
        var offset = tableCount
        for (index, (item, content)) in items.enumerated() {
            let position = 32 + 32 * index
            try writer.put(item.identity.mixed, at: position)
            try writer.put(UInt32(clamping: offset), at: position + 16)
            try writer.put(UInt32(clamping: content.count), at: position + 20)
            try writer.put(item.flags, at: position + 24)
            try writer.put(content, at: offset)
            offset += content.count
        }
        return writer.bytes
    }
}

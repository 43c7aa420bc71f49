// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage

/// The item that says which disk is the parent, and where it is.
///
/// ```
///   0  type          18  number of pairs
///  20  pairs of 12 bytes: key offset, 4: value offset, 8: key length, 10: value length
///      the keys and values in UTF-16, lowest byte first
/// ```
struct VHDXParentLocator: Hashable, Sendable {
    private static let type: DiskIdentity = DiskIdentity(0xB04A_EFB7_D19E_4A81, 0xB789_25B8_E944_5913)
    private static let linkage: String = "parent_linkage"
    private static let otherLinkage: String = "parent_linkage2"
    private static let relativePath: String = "relative_path"
    private static let absolutePaths: [String] = ["volume_path", "absolute_win32_path"]

    /// What is written of it.
    var link: ParentLink

    init(_ link: ParentLink) {
        self.link = link
    }

    init(parent: DiskIdentity, relativePath: String) {
        link = ParentLink(
            identity: parent, name: LabPath.lastName(relativePath) ?? relativePath, relativePaths: [relativePath])
    }

    /// Reads an item.
    init(_ fields: DiskFields) throws(DiskError) {
        let path = fields.path
        guard fields.bytes.count >= 20 else {
            throw .malformed(path, "parent locator", expected: "20 bytes at least", found: fields.bytes.count)
        }
        let type = try DiskIdentity(fields, at: 0)
        guard type == Self.type else {
            throw DiskError(
                .unsupported, path: path, "the disk's parent is of a kind that is not known",
                field: "parent locator type", expected: Self.type.description, found: type.description)
        }
        let count: UInt16 = try fields.integer(at: 18)
        guard 20 + 12 * Int(count) <= fields.bytes.count else {
            throw .malformed(path, "parent locator", expected: "\(count) pairs", found: fields.bytes.count)
        }
        var pairs: [String: String] = [:]
        for index in 0..<Int(count) {
            let position = 20 + 12 * index
            let key = try Self.text(fields, offsetAt: position, lengthAt: position + 8)
            let value = try Self.text(fields, offsetAt: position + 4, lengthAt: position + 10)
            guard pairs.updateValue(value, forKey: key) == nil else {
                throw .malformed(path, "parent locator", expected: "each key once", found: DiskChain.printable(key))
            }
        }
        guard let text = pairs[Self.linkage], let identity = DiskIdentity(braced: text) else {
            throw .malformed(
                path, Self.linkage, expected: "an identity in braces",
                found: DiskChain.printable(pairs[Self.linkage] ?? "nothing"))
        }
        let relative = pairs[Self.relativePath]
        let absolute = Self.absolutePaths.compactMap { pairs[$0] }
        guard let first = relative ?? absolute.first else {
            throw .malformed(path, Self.relativePath, expected: "a path to the parent", found: "none")
        }
        // Windows writes an identity of zeros when there is no other.
        let other = pairs[Self.otherLinkage].flatMap(DiskIdentity.init(braced:)).flatMap { $0 == .zero ? nil : $0 }
        link = ParentLink(
            identity: identity, otherIdentity: other,
            name: first, relativePaths: relative.map { [$0] } ?? [], absolutePaths: absolute)
    }

    private static func text(
        _ fields: DiskFields, offsetAt offset: Int, lengthAt length: Int
    ) throws(DiskError) -> String {
        let start: UInt32 = try fields.integer(at: offset)
        let count: UInt16 = try fields.integer(at: length)
        guard start >= 20, count > 0, count % 2 == 0, Int(start) + Int(count) <= fields.bytes.count else {
            throw .malformed(
                fields.path, "parent locator", expected: "keys and values inside it",
                found: "\(count) bytes at \(start)")
        }
        let units = try fields.units(at: Int(start), count: Int(count))
        guard !units.contains(0) else {
            throw .malformed(fields.path, "parent locator", expected: "text", found: "a zero within it")
        }
        return String(decoding: units, as: UTF16.self)
    }

    /// The item as it goes to the file.
    func bytes() throws(StorageError) -> [UInt8] {
        let braced = { (identity: DiskIdentity) in "{\(identity.description.lowercased())}" }
        var pairs = [(Self.linkage, braced(link.identity))]
        if let other = link.otherIdentity { pairs.append((Self.otherLinkage, braced(other))) }
        if let path = link.relativePaths.first { pairs.append((Self.relativePath, path)) }
        for (key, path) in zip(Self.absolutePaths.reversed(), link.absolutePaths.reversed()) {
            pairs.append((key, path))
        }
        let texts = pairs.map { (Array($0.utf16), Array($1.utf16)) }
        let room = texts.reduce(0) { $0 + 2 * ($1.0.count + $1.1.count) }
        var writer = FieldWriter(count: 20 + 12 * pairs.count + room, .little, name: "VHDX parent locator")
        try writer.put(Self.type.mixed, at: 0)
        try writer.put(UInt16(clamping: pairs.count), at: 18)
        var offset = 20 + 12 * pairs.count
        for (index, (key, value)) in texts.enumerated() {
            guard key.count <= 32767, value.count <= 32767 else {
                throw StorageError(.outOfRange, name: "parent locator", detail: "a path is too long")
            }
            let position = 20 + 12 * index
            try writer.put(UInt32(clamping: offset), at: position)
            try writer.put(UInt32(clamping: offset + 2 * key.count), at: position + 4)
            try writer.put(UInt16(clamping: 2 * key.count), at: position + 8)
            try writer.put(UInt16(clamping: 2 * value.count), at: position + 10)
            try writer.put(units: key + value, at: offset)
            offset += 2 * (key.count + value.count)
        }
        return writer.bytes
    }
}

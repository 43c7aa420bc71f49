// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage

/// The footer: the last sector of every VHD, with a copy in the first one of those that grow.
///
/// ```
///   0  "conectix"     8  features       12  version        16  data offset    24  time stamp
///  28  creator       32  its version    36  its system     40  original size  48  current size
///  56  geometry      60  type           64  checksum       68  identity       84  saved state
/// ```
///
/// Numbers have their highest byte first. It knows nothing of where in the file it lies.
struct VHDFooter: Hashable, Sendable {
    enum DiskType: UInt32, Hashable, Sendable {
        case fixed = 2
        case dynamic = 3
        case differencing = 4
    }

    static let count: Int = 512
    static let cookie: [UInt8] = Array("conectix".utf8)

    /// The whole sector, as it is written again when the end of the file moves.
    let encoded: [UInt8]
    let dataOffset: UInt64
    let creator: [UInt8]
    let creatorVersion: UInt32
    let currentSize: UInt64
    let geometry: VHDGeometry
    let type: DiskType
    let identity: DiskIdentity
    /// Which of the sizes counts.
    private let sizeMode: DiskSizeMode

    static let ownCreator: [UInt8] = Array("win ".utf8)
    static let ownCreatorVersion: UInt32 = 0x0006_0003

    /// Whether it is written as this module writes it.
    var isOwn: Bool { creator == Self.ownCreator && creatorVersion == Self.ownCreatorVersion }

    /// Whether the creator means the size that the geometry addresses.
    var meansGeometry: Bool {
        [Array("vpc ".utf8), Array("qemu".utf8)].contains(creator) && geometry != .largest && geometry.size > 0
    }

    /// The disk's size in bytes.
    var size: UInt64 { size(by: sizeMode) }

    func size(by mode: DiskSizeMode) -> UInt64 {
        switch mode {
        case .auto: meansGeometry ? geometry.size : currentSize
        case .current: currentSize
        case .geometry: geometry.size
        }
    }

    /// Reads a footer of 512 bytes, or of 511, as old programs wrote it.
    init(_ bytes: [UInt8], path: String, sizeMode: DiskSizeMode = .auto) throws(DiskError) {
        guard bytes.count >= 511, Array(bytes.prefix(8)) == Self.cookie else {
            throw DiskError(.notADisk, path: path, "this is no VHD", field: "footer cookie", expected: "conectix")
        }
        let missing = [UInt8](repeating: 0, count: max(0, Self.count - bytes.count))
        let fields = DiskFields(Array(bytes.prefix(Self.count)) + missing, .big, path: path)
        encoded = fields.bytes
        let sum: UInt32 = try fields.integer(at: 64)
        let computed = VHD.checksum(fields.bytes, fieldAt: 64)
        guard sum == computed else {
            throw .malformed(path, "footer checksum", expected: VHD.hex(computed), found: VHD.hex(sum))
        }
        let version: UInt32 = try fields.integer(at: 12)
        guard version >> 16 == 1 else {
            throw DiskError(
                .unsupported, path: path, "this version of VHD is not known", field: "footer version",
                expected: "1.x", found: VHD.hex(version))
        }
        let number: UInt32 = try fields.integer(at: 60)
        guard let type = DiskType(rawValue: number) else {
            throw .malformed(path, "disk type", expected: "2, 3 or 4", found: number)
        }
        self.type = type
        dataOffset = try fields.integer(at: 16)
        creator = try fields.slice(at: 28, count: 4)
        creatorVersion = try fields.integer(at: 32)
        currentSize = try fields.integer(at: 48)
        geometry = VHDGeometry(
            cylinders: try fields.integer(at: 56), heads: try fields.integer(at: 58),
            sectorsPerTrack: try fields.integer(at: 59))
        identity = DiskIdentity(unchecked: try fields.slice(at: 68, count: 16))
        self.sizeMode = sizeMode
        #if FERMATA_PLANTED_BUG
            _ = 255 / geometry.heads
        #endif
        guard size > 0, size <= VHD.largestSize, size % 512 == 0 else {
            throw .malformed(
                path, sizeMode == .geometry ? "geometry" : "size", expected: "a multiple of 512 up to 2040 GiB",
                found: size)
        }
    }

    /// The footer of a new disk, marked as one whose current size counts.
    ///
    /// QEMU takes the size from the geometry, which rounds down, unless it knows the creator as one that does not.
    init(type: DiskType, size: UInt64, identity: DiskIdentity, timestamp: UInt32) throws(StorageError) {
        dataOffset = type == .fixed ? UInt64.max : UInt64(Self.count)
        creator = Self.ownCreator
        creatorVersion = Self.ownCreatorVersion
        currentSize = size
        geometry = VHDGeometry(size: size)
        self.type = type
        self.identity = identity
        sizeMode = .auto
        var writer = FieldWriter(count: Self.count, .big, name: "VHD footer")
        try writer.put(Self.cookie, at: 0)
        try writer.put(2 as UInt32, at: 8)
        try writer.put(0x0001_0000 as UInt32, at: 12)
        try writer.put(dataOffset, at: 16)
        try writer.put(timestamp, at: 24)
        try writer.put(creator, at: 28)
        try writer.put(creatorVersion, at: 32)
        try writer.put(Array("Wi2k".utf8), at: 36)
        try writer.put(size, at: 40)
        try writer.put(size, at: 48)
        try writer.put(geometry.cylinders, at: 56)
        try writer.put(geometry.heads, at: 58)
        try writer.put(geometry.sectorsPerTrack, at: 59)
        try writer.put(type.rawValue, at: 60)
        try writer.put(identity.bytes, at: 68)
        try writer.put(VHD.checksum(writer.bytes, fieldAt: 64), at: 64)
        encoded = writer.bytes
    }
}

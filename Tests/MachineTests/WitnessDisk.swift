// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage

/// The disk that the guest's witness writes, checked from outside.
///
/// Every sector carries its number, the number of the write that made it, and a checksum; which sectors a write covers
/// follows from its number and the seed. `Scripts/guest-files/WITNESS.md` has the rules.
struct WitnessDisk {
    /// What is wrong with the disk, at most one sentence of each kind.
    var problems: [String] = []
    /// The newest write found.
    private(set) var newest: UInt64 = 0

    /// Checks the part of a disk that the witness uses.
    ///
    /// - Parameters:
    ///   - seed, sectors: what the ticks say.
    ///   - flushed: the newest write that must be there, or have been overwritten by a newer one.
    ///   - issued: the newest write that may be there.
    init(_ image: [UInt8], seed: UInt64, sectors: UInt64, flushed: UInt64, issued: UInt64) {
        var wanted = [UInt64](repeating: 0, count: Int(sectors))
        if flushed > 0 {
            for write in 1...flushed {
                for sector in Self.sectors(of: write, seed: seed, of: sectors) { wanted[Int(sector)] = write }
            }
        }
        for sector in 0..<Int(sectors) {
            check(
                image[sector * 512..<sector * 512 + 512], UInt64(sector), seed: seed, wanted: wanted[sector],
                issued: issued)
        }
    }

    /// The part of a disk that the witness uses.
    static func bytes(of disk: some BlockDevice, sectors: UInt64) throws -> [UInt8] {
        var image = [UInt8](repeating: 0, count: Int(sectors) * 512)
        var span = image.mutableSpan
        var bytes = unsafe span.mutableBytes
        try disk.read(into: &bytes, at: 0)
        return image
    }

    private mutating func check(
        _ sector: ArraySlice<UInt8>, _ number: UInt64, seed: UInt64, wanted: UInt64, issued: UInt64
    ) {
        func field(_ offset: Int, _ size: Int) -> UInt64 {
            sector[(sector.startIndex + offset)..<(sector.startIndex + offset + size)].reversed()
                .reduce(0) { $0 << 8 | UInt64($1) }
        }
        if sector.allSatisfy({ $0 == 0 }) {
            if wanted > 0 { note("lost: sector \(number) is empty, but write \(wanted) was flushed") }
            return
        }
        guard sector.starts(with: Array("FMWITNES".utf8)), field(8, 8) == number, field(24, 8) == seed,
            Self.checksum(sector.prefix(508)) == UInt32(truncatingIfNeeded: field(508, 4))
        else { return note("invalid: sector \(number) holds no write of the witness") }
        let write = field(16, 8)
        newest = max(newest, write)
        if write < wanted { note("lost: sector \(number) has write \(write), but \(wanted) was flushed") }
        if write > issued { note("newer: sector \(number) has write \(write), but only \(issued) were issued") }
    }

    private mutating func note(_ problem: String) {
        let kind = problem.prefix { $0 != ":" }
        if !problems.contains(where: { $0.hasPrefix(kind) }) { problems.append(problem) }
    }

    private static func sectors(of write: UInt64, seed: UInt64, of count: UInt64) -> Range<UInt64> {
        let random = mix(seed &+ write)
        let first = (random & (1 << 48 - 1)) % (count - 15)
        return first..<first + 1 + random >> 60
    }

    private static func mix(_ value: UInt64) -> UInt64 {
        var x = value &+ 0x9E37_79B9_7F4A_7C15
        x = (x ^ x >> 30) &* 0xBF58_476D_1CE4_E5B9
        x = (x ^ x >> 27) &* 0x94D0_49BB_1331_11EB
        return x ^ x >> 31
    }

    private static let table: [UInt32] = (0..<256).map { index in
        (0..<8).reduce(UInt32(index)) { value, _ in value & 1 == 1 ? value >> 1 ^ 0x82F6_3B78 : value >> 1 }
    }

    private static func checksum(_ bytes: ArraySlice<UInt8>) -> UInt32 {
        ~bytes.reduce(~UInt32(0)) { table[Int(UInt8(truncatingIfNeeded: $0) ^ $1)] ^ $0 >> 8 }
    }
}

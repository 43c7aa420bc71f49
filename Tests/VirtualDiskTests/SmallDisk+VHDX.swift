// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import VirtualDisk

extension SmallDisk {
    /// A VHDX with the bytes of its metadata that are flipped.
    static func vhdx(_ kind: DiskKind) throws -> SmallDisk {
        var disk = try SmallDisk(.vhdx, kind)
        disk.metadata = try places(disk.vhdx(), kind)
        return disk
    }

    func vhdx() throws -> VHDXBytes { VHDXBytes(bytes: try #require(files[name])) }

    /// The bytes that the structures use, and some of the space beside them.
    ///
    /// The metadata is 4 MiB of mostly nothing. All is here that a reader of the format looks at: the signature, of each
    /// header and region table the fields and, since their checksums are over all of it, a byte from the middle and the
    /// last one, the table of items with the items, and the block table's entries. Of what nobody looks at (the space
    /// behind each structure, the log of a disk that was closed, the creator's name) there is a byte each.
    private static func places(_ disk: VHDXBytes, _ kind: DiskKind) throws -> [Int] {
        let count = kind == .differencing ? 6 : 5
        var places = Array(0..<8) + [20, 4096]
        for start in VHDXBytes.headers {
            places += Array(start..<start + 80) + [start + 1000, start + 4095, start + 4096]
        }
        for start in VHDXBytes.regionTables {
            places += Array(start..<start + 80) + [start + 30000, start + 65535]
        }
        places += [VHDXBytes.log, VHDXBytes.log + 64, VHDXBytes.metadata - 1]
        places += VHDXBytes.metadata..<VHDXBytes.metadata + 32 + 32 * count
        for number in 0..<count {
            let entry = VHDXBytes.metadata + 32 + 32 * number
            let start = VHDXBytes.metadata + Int(disk.number(at: entry + 16) as UInt32)
            places += start..<start + Int(disk.number(at: entry + 20) as UInt32)
        }
        places += [VHDXBytes.metadata + 32 + 32 * count, VHDXBytes.table - 1]
        places +=
            Array(VHDXBytes.table..<VHDXBytes.table + 24) + [
                VHDXBytes.table + 8 * 1000, VHDXBytes.table + (1 << 20) - 1,
            ]
        if kind == .differencing { places += VHDXBytes.table + 8 * 2048..<VHDXBytes.table + 8 * 2050 }
        var unnoticed: Set<Int> = []
        // Nothing else in the file says how large a disk is: a fixed one as long as it has as many blocks, a dynamic one as
        // long as its blocks are among them and its table has room.
        switch kind {
        case .fixed: unnoticed = [disk.place(of: .size) + 2]
        case .dynamic: unnoticed = Set(disk.place(of: .size) + 2...disk.place(of: .size) + 4)
        default: break
        }
        // The lowest bit of a child's entry makes its sectors its own that were the parent's, and either is allowed. The
        // bitmap itself is left out for the same reason: each bit is a statement that nothing else repeats.
        if kind == .differencing { unnoticed = [VHDXBytes.table] }
        return places.filter { !unnoticed.contains($0) }
    }
}

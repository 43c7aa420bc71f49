// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import Testing
import VirtualDisk

/// A disk as a program lays it out, and what it reads as.
struct MadeDisk: CustomTestStringConvertible, Sendable {
    /// Whether another reader reads the same.
    enum Agreement: Sendable { case always, onceCompacted, never }

    var name: String
    var disk: SyntheticVHD
    /// The size that its maker means.
    var size: UInt64
    /// Which other readers agree with its maker; the reasons are beside those that do not.
    var sevenZip: Agreement
    var qemu: Bool

    var testDescription: String { name }

    init(
        _ name: String, size: UInt64? = nil, sevenZip: Agreement = .always, qemu: Bool = true,
        _ change: (inout SyntheticVHD) -> Void
    ) {
        self.name = name
        disk = SyntheticVHD()
        disk.blocks = [
            SyntheticVHD.Block(number: 1, sectors: 7..<300, byte: 3),
            SyntheticVHD.Block(number: 0, sectors: 0..<65, byte: 90),
        ]
        change(&disk)
        self.size = size ?? disk.size
        self.sevenZip = sevenZip
        self.qemu = qemu
    }

    /// A size that the geometry does not address: an odd number of sectors more.
    private static let odd = SyntheticVHD.size + 3 * 512

    static let makers: [MadeDisk] = [
        MadeDisk("Hyper-V, dynamic") { $0.dataAlignment = 4096 },
        // By a creator that it does not know, QEMU 7.2 takes the size from the geometry.
        MadeDisk("Hyper-V, dynamic, odd size") { $0.size = odd },
        MadeDisk("Hyper-V, fixed") { $0.type = 2 },
        MadeDisk("Virtual PC, dynamic") {
            $0.creator = "vpc "
            $0.creatorVersion = 0x0005_0003
        },
        // 7-Zip goes by the current size always.
        MadeDisk("Virtual PC, dynamic, odd size", size: SyntheticVHD.size, sevenZip: .never) {
            $0.creator = "vpc "
            $0.creatorVersion = 0x0005_0003
            $0.size = odd
        },
        MadeDisk("Virtual PC, fixed") {
            $0.creator = "vpc "
            $0.type = 2
        },
        // QEMU and 7-Zip know no such footer.
        MadeDisk("Virtual PC before 2004, dynamic, a footer of 511 bytes", sevenZip: .onceCompacted, qemu: false) {
            $0.creator = "vpc "
            $0.footerLength = 511
        },
        MadeDisk("Virtual PC before 2004, fixed, a footer of 511 bytes", sevenZip: .never, qemu: false) {
            $0.creator = "vpc "
            $0.type = 2
            $0.footerLength = 511
        },
        MadeDisk("Virtual Server, dynamic, odd size", qemu: false) {
            $0.creator = "vs  "
            $0.creatorVersion = 0x0001_0000
            $0.size = odd
        },
        MadeDisk("disk2vhd, dynamic, odd size") {
            $0.creator = "d2v "
            $0.creatorVersion = 0x0001_0000
            $0.size = odd
        },
        MadeDisk("VirtualBox, dynamic, odd size", qemu: false) {
            $0.creator = "vbox"
            $0.creatorVersion = 0x0006_0001
            $0.size = odd
            for index in $0.blocks.indices { $0.blocks[index].isMarkedWhole = true }
        },
        MadeDisk("Azure, fixed", qemu: false) {
            $0.creator = "wa\0\0"
            $0.creatorVersion = 0x0007_0000
            $0.type = 2
            $0.size = 5 << 20
        },
        MadeDisk("old QEMU, dynamic, odd size", size: SyntheticVHD.size, sevenZip: .never) {
            $0.creator = "qemu"
            $0.creatorVersion = 0x0005_0003
            $0.size = odd
            for index in $0.blocks.indices { $0.blocks[index].isMarkedWhole = true }
        },
        MadeDisk("QEMU with force_size, dynamic, odd size") {
            $0.creator = "qem2"
            $0.creatorVersion = 0x0005_0003
            $0.size = odd
            for index in $0.blocks.indices { $0.blocks[index].isMarkedWhole = true }
        },
        MadeDisk("XenServer, dynamic, odd size") {
            $0.creator = "tap\0"
            $0.creatorVersion = 0x0001_0003
            $0.host = ""
            $0.size = odd
            $0.dataAlignment = 4096
            $0.tableOffset = 2048
        },
        MadeDisk("Citrix, dynamic, odd size") {
            $0.creator = "CTXS"
            $0.size = odd
        },
        MadeDisk("an unknown program, dynamic, odd size", qemu: false) {
            $0.creator = "frma"
            $0.size = odd
        },
    ]

    static let layouts: [MadeDisk] = [
        MadeDisk("blocks of 512 KiB") { $0.blockSize = 512 << 10 },
        MadeDisk("blocks of 1 MiB") { $0.blockSize = 1 << 20 },
        MadeDisk("blocks of 64 KiB") {
            $0.blockSize = 64 << 10
            $0.blocks = (0..<4).map { SyntheticVHD.Block(number: 80 - $0 * 3, sectors: 1..<100 + $0, byte: UInt8($0)) }
        },
        MadeDisk("blocks of 4 KiB") {
            $0.blockSize = 4096
            $0.blocks = (0..<9).map { SyntheticVHD.Block(number: 7 * $0, sectors: 0..<8, byte: UInt8($0)) }
        },
        MadeDisk("no block at all") { $0.blocks = [] },
        MadeDisk("one sector") {
            $0.size = 512
            $0.blocks = [SyntheticVHD.Block(number: 0, sectors: 0..<1, byte: 7)]
        },
        // 7-Zip wants as many entries as there are blocks; compacted, the table is cut.
        MadeDisk("more entries than are needed", sevenZip: .onceCompacted) { $0.extraEntries = 5000 },
        MadeDisk("a table padded with zeros") { $0.tablePadding = 0 },
        MadeDisk("a table away from the header") { $0.tableOffset = 0x2000 },
        MadeDisk("a header away from the footer") { $0.headerOffset = 0x1000 },
        MadeDisk("bytes behind the last block") { $0.slack = 3 * 512 },
        MadeDisk("no features") { $0.features = 0 },
        MadeDisk("a minor version") { $0.version = 0x0001_0001 },
        MadeDisk("another size at first") { $0.originalSize = 1 << 20 },
        MadeDisk("a fixed disk with a data offset of 0") {
            $0.type = 2
            $0.fixedDataOffset = 0
        },
        // QEMU takes the geometry for the size, of which nothing is left.
        MadeDisk("a geometry of nothing", qemu: false) {
            $0.creator = "vpc "
            $0.geometry = (0, 0, 0)
        },
        // It is what stands for a disk that is too large for a geometry, and the current size counts.
        MadeDisk("the largest geometry") {
            $0.creator = "vpc "
            $0.geometry = (65535, 16, 255)
        },
    ]
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import Testing
import VirtualDisk

/// A child as a program lays it out over a parent called `base.vhd`.
struct MadeChild: CustomTestStringConvertible, Sendable {
    var name: String
    var warning: DiskWarning.Kind?
    /// What leads to the parent.
    var way: DiskLink.Way
    /// Whether 7-Zip finds it too: it goes by the header's name first, and fails when that is none.
    var sevenZip: Bool
    var change: @Sendable (inout SyntheticVHD) -> Void

    var testDescription: String { name }

    init(
        _ name: String, _ way: DiskLink.Way, warning: DiskWarning.Kind? = nil, sevenZip: Bool = true,
        _ change: @escaping @Sendable (inout SyntheticVHD) -> Void
    ) {
        self.name = name
        self.way = way
        self.warning = warning
        self.sevenZip = sevenZip
        self.change = change
    }

    typealias Locator = SyntheticVHD.Locator

    static let all: [MadeChild] = [
        MadeChild("Hyper-V: a full path as the name, room behind the locators", .path(".\\base.vhd")) {
            $0.parentName = Array("C:\\VMs\\base.vhd".utf16)
            $0.tableOffset = 0x2000
            $0.locators = [
                Locator("W2ku", "C:\\VMs\\base.vhd", offset: 0x1000, room: 4096),
                Locator("W2ru", ".\\base.vhd", offset: 0xC000, room: 65536),
            ]
        },
        MadeChild("Virtual PC: a bare name, both paths", .path(".\\base.vhd")) {
            $0.creator = "vpc "
            $0.locators = [Locator("W2ru", ".\\base.vhd"), Locator("W2ku", "C:\\VMs\\base.vhd")]
        },
        MadeChild("vhd-util: a Macintosh path, and slashes", .path("./base.vhd")) {
            $0.creator = "tap\0"
            $0.host = ""
            $0.locators = [
                Locator("MacX", "file://./base.vhd"), Locator("W2ku", "./base.vhd"), Locator("W2ru", "./base.vhd"),
            ]
        },
        MadeChild("VirtualBox: a relative path without a dot", .path("base.vhd")) {
            $0.creator = "vbox"
            $0.locators = [Locator("W2ru", "base.vhd"), Locator("W2ku", "/home/user/base.vhd")]
        },
        MadeChild("the specification: space in sectors", .path(".\\base.vhd")) {
            $0.locators = [Locator("W2ru", ".\\base.vhd", space: 1)]
        },
        MadeChild("an absolute path alone, which is not followed", .name("base.vhd")) {
            $0.locators = [Locator("W2ku", "C:\\VMs\\base.vhd")]
        },
        MadeChild("a Windows path as the name, and no locator", .name("D:\\Old Disks\\base.vhd"), sevenZip: false) {
            $0.parentName = Array("D:\\Old Disks\\base.vhd".utf16)
        },
        MadeChild("a share as the name", .name("\\\\server\\share\\base.vhd"), sevenZip: false) {
            $0.parentName = Array("\\\\server\\share\\base.vhd".utf16)
        },
        MadeChild("a relative path that leads nowhere", .name("base.vhd")) {
            $0.locators = [Locator("W2ru", ".\\gone\\base.vhd")]
        },
        MadeChild("all eight locators", .path(".\\base.vhd")) {
            $0.locators = ["Wi2r", "Wi2k", "Mac ", "MacX", "junk", "zzzz"].map { Locator($0, "something") }
            $0.locators += [Locator("W2ku", "C:\\VMs\\base.vhd"), Locator("W2ru", ".\\base.vhd")]
        },
        MadeChild("half a character in the name", .path(".\\base.vhd"), sevenZip: false) {
            $0.parentName = [0xD800, 0x41]
            $0.locators = [Locator("W2ru", ".\\base.vhd")]
        },
        MadeChild("a zero in the name", .name("base.vhd")) {
            $0.parentName = Array("base.vhd\0\u{1B}[2Jjunk".utf16)
        },
        MadeChild("a name as long as there is room", .path(".\\base.vhd"), sevenZip: false) {
            $0.parentName = [UInt16](repeating: 0x61, count: 256)
            $0.locators = [Locator("W2ru", ".\\base.vhd")]
        },
        MadeChild("no name", .path(".\\base.vhd"), sevenZip: false) {
            $0.parentName = []
            $0.locators = [Locator("W2ru", ".\\base.vhd")]
        },
        MadeChild("another time of change", .path(".\\base.vhd"), warning: .parentTimestamp) {
            $0.parentTime -= 3600
            $0.locators = [Locator("W2ru", ".\\base.vhd")]
        },
        MadeChild("blocks of 512 KiB over those of 2 MiB", .name("base.vhd")) { $0.blockSize = 512 << 10 },
        MadeChild("a footer of 511 bytes", .name("base.vhd"), sevenZip: false) { $0.footerLength = 511 },
        MadeChild("a block of which nothing is its own", .name("base.vhd")) {
            $0.blocks.append(SyntheticVHD.Block(number: 2, sectors: 0..<0, byte: 0))
        },
    ]
}

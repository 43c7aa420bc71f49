// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import Testing
import VirtualDisk

/// A file that is none of these, and what it is refused with.
struct RefusedDisk: CustomTestStringConvertible, Sendable {
    var name: String
    var code: DiskError.Code
    var field: String?
    var isChild: Bool
    var change: @Sendable (inout SyntheticVHD) -> Void

    var testDescription: String { name }

    init(
        _ name: String, _ code: DiskError.Code, _ field: String? = nil, isChild: Bool = false,
        _ change: @escaping @Sendable (inout SyntheticVHD) -> Void
    ) {
        self.name = name
        self.code = code
        self.field = field
        self.isChild = isChild
        self.change = change
    }

    private static let types: [RefusedDisk] = ([0, 1, 5, 6, 7, .max] as [UInt32]).map { type in
        RefusedDisk("type \(type)", .malformed, "disk type") { $0.type = type }
    }

    private static let blockSizes: [RefusedDisk] = ([512, 2048, 4096 + 512, 3 << 20, 4 << 20, 1 << 31] as [UInt32]).map
    {
        size in
        RefusedDisk("blocks of \(size) bytes", .malformed, "block size") {
            $0.blockSize = size
            $0.blocks = []
        }
    }

    /// Names of which nothing is left that could be looked for beside the child, or that are no plain names.
    private static let names: [RefusedDisk] = ["..", "C:\\..", "\\\\.\\PhysicalDrive0", "C:", ".", "\u{1B}"].map {
        name in
        RefusedDisk("the name \(name.debugDescription)", .parentMissing, "parent", isChild: true) {
            $0.parentName = Array(name.utf16)
        }
    }

    private static let paths: [RefusedDisk] =
        [
            "..\\base.vhd", "..\\..\\etc\\base.vhd", "C:\\base.vhd", "C:base.vhd", "\\base.vhd",
            "\\\\server\\share\\base.vhd",
            "\\\\.\\C:\\base.vhd", "\\\\?\\C:\\base.vhd", "\\\\?\\UNC\\server\\base.vhd", "/base.vhd",
            "file:///base.vhd", "..",
        ].map { path in
            RefusedDisk("the relative path \(path)", .outsideLab, "parent locator", isChild: true) {
                $0.locators = [SyntheticVHD.Locator("W2ru", path)]
            }
        }

    static let all: [RefusedDisk] =
        types + blockSizes + names + paths + [
            RefusedDisk("version 2", .unsupported, "footer version") { $0.version = 0x0002_0000 },
            RefusedDisk("size 0", .malformed, "size") { disk in
                disk.size = 1 << 20
                disk.type = 2
                disk.blocks = []
                disk.originalSize = 0
                disk.geometry = (0, 0, 0)
                disk.size = 0
            },
            RefusedDisk("a fixed disk of half a sector", .malformed, "size") {
                $0.type = 2
                $0.size = 256
                $0.blocks = []
            },
            RefusedDisk("a locator of an odd length", .malformed, "parent locator length", isChild: true) {
                $0.locators = [SyntheticVHD.Locator("W2ru", [46, 0, 92, 0, 97])]
            },
            RefusedDisk("a zero in a path", .malformed, "parent locator", isChild: true) {
                $0.locators = [SyntheticVHD.Locator("W2ru", ".\\ba\0se.vhd")]
            },
            RefusedDisk("a path longer than any", .malformed, "parent locator", isChild: true) {
                $0.locators = [SyntheticVHD.Locator("W2ru", [UInt8](repeating: 97, count: 65538), room: 65538 + 510)]
            },
            RefusedDisk("two paths in one place", .malformed, "layout", isChild: true) {
                $0.locators = [
                    SyntheticVHD.Locator("W2ru", ".\\base.vhd", offset: 0x4000),
                    SyntheticVHD.Locator("W2ku", "C:\\base.vhd", offset: 0x4000),
                ]
            },
            RefusedDisk("a path whose space reaches into a block", .malformed, "layout", isChild: true) {
                $0.locators = [SyntheticVHD.Locator("W2ru", ".\\base.vhd", space: 4096)]
            },
            RefusedDisk("another size than the parent's", .sizeMismatch, "size", isChild: true) { $0.size += 512 },
            RefusedDisk("another parent's identity", .parentMismatch, "parent identity", isChild: true) {
                $0.parentIdentity[0] ^= 1
            },
        ]
}

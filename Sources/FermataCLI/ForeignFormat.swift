// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import BlockStorage
import Fermata
import SystemPackage
import VirtualDisk

/// A format that is read and written by qemu-img alone.
///
/// What a file is, is found out here and told to qemu-img, which would follow what a hostile file names as its parent
/// or its data.
enum ForeignFormat: String, CaseIterable {
    case qcow2
    case vmdk
    case vdi

    /// The format that a file's extension stands for.
    init?(path: FilePath) {
        guard let suffix = path.extension?.lowercased() else { return nil }
        self.init(rawValue: suffix)
    }

    /// Makes sure that a file is of this format, and needs no other file.
    func check(_ path: FilePath) throws {
        let store = try FileStore(opening: path, access: .readOnly)
        let head = try store.bytes(at: 0, count: Int(min(store.length(), 512)))
        let reader = FieldReader(head + [UInt8](repeating: 0, count: 512 - head.count), byteOrder, name: path.string)
        switch self {
        case .qcow2:
            try require(path, reader.integer(at: 0) as UInt32 == 0x5146_49FB, "is no qcow2 file")
            let version: UInt32 = try reader.integer(at: 4)
            try require(path, version == 2 || version == 3, "is a qcow2 file of version \(version)")
            try require(path, reader.integer(at: 8) as UInt64 == 0, "has a backing file; flatten it with its own tools")
            let features: UInt64 = version == 3 ? try reader.integer(at: 72) : 0
            try require(path, features & 4 == 0, "has its data in another file")
        case .vmdk:
            try require(
                path, reader.integer(at: 0) as UInt32 == 0x564D_444B,
                "is no VMDK in one file; make it one with its own tools")
            let start: UInt64 = try reader.integer(at: 28)
            let count: UInt64 = try reader.integer(at: 36)
            try require(
                path, start > 0 && count > 0 && start < 1 << 32 && count <= 2048, "has no description of itself")
            let text = String(decoding: try store.bytes(at: start * 512, count: Int(count) * 512), as: UTF8.self)
            let lines = text.split { $0.isNewline || $0 == "\0" }.map { $0.lowercased().filter { $0 != " " } }
            let isWhole = lines.contains("parentcid=ffffffff") && !lines.contains { $0.hasPrefix("parentfilename") }
            try require(path, isWhole, "has a parent; flatten it with its own tools")
        case .vdi:
            try require(path, reader.integer(at: 64) as UInt32 == 0xBEDA_107F, "is no VDI file")
            let type: UInt32 = try reader.integer(at: 76)
            try require(path, type == 1 || type == 2, "has a parent; flatten it with its own tools")
        }
    }

    private var byteOrder: ByteOrder { self == .qcow2 ? .big : .little }

    private func require(_ path: FilePath, _ condition: Bool, _ complaint: String) throws {
        guard !condition else { return }
        throw ProgramFailure("'\(path)' \(complaint)")
    }
}

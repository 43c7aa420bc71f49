// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import Foundation
import StorageTestSupport
import SystemPackage
import VirtualDisk

/// A lab with a base and its child, each with something of its own.
struct VHDXChain {
    static let size: UInt64 = 9 << 20

    let folder: TemporaryFolder
    let lab: FilePath
    let base: FilePath
    let leaf: FilePath
    let content: [UInt8]

    init() throws {
        folder = try TemporaryFolder()
        lab = try folder.makeFolder("lab")
        base = lab.appending("base.vhdx")
        leaf = lab.appending("leaf.avhdx")
        var content = [UInt8](repeating: 0, count: Int(Self.size))
        try VHDX.create(at: base, size: Self.size)
        for (number, path) in [base, leaf].enumerated() {
            if number > 0 { try VHDX.createChild(at: path, of: base) }
            let chain = try DiskChain.open(path, beneath: lab, access: .readWrite)
            for offset in [4096 * (number + 1), (2 << 20) - 1024, (4 << 20) + 512 * number] {
                let bytes = [UInt8](repeating: UInt8(number + 1), count: 3000 - 700 * number)
                try chain.write(bytes, at: UInt64(offset))
                content.replaceSubrange(offset..<offset + bytes.count, with: bytes)
            }
            try chain.close()
        }
        self.content = content
    }

    /// Rewrites a disk's file.
    func edit(_ path: FilePath, summing: Bool = true, _ change: (inout VHDXBytes) throws -> Void) throws {
        var disk = try VHDXBytes(path)
        try change(&disk)
        if summing { disk.sum() }
        let store = try FileStore(opening: path, access: .readWrite)
        try store.truncate(to: UInt64(disk.bytes.count))
        try store.write(disk.bytes, at: 0)
    }

    func open(_ path: FilePath? = nil, access: FileAccess = .readOnly) throws -> DiskChain {
        try DiskChain.open(path ?? leaf, beneath: lab, access: access)
    }

    /// The whole disk through its chain.
    func read() throws -> [UInt8] {
        let chain = try open()
        return try chain.bytes(at: 0, count: Int(chain.size))
    }

    /// Every file's bytes, to see that nothing was changed.
    func files() throws -> [String: Data] {
        var files: [String: Data] = [:]
        for name in try FileManager.default.contentsOfDirectory(atPath: lab.string) {
            files[name] = FileManager.default.contents(atPath: lab.appending(name).string)
        }
        return files
    }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import Foundation
import StorageTestSupport
import SystemPackage
import Testing
import VirtualDisk

/// Reads chains with programs that others wrote.
struct OutsideReader {
    static let hasSevenZip: Bool = Tool("7zz").isInstalled && Tool("qemu-img").isInstalled
    static let hasLibVHDI: Bool = Tool("vhdimount").isInstalled && FileManager.default.fileExists(atPath: "/dev/fuse")

    let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
    }

    /// A flat folder of links to the chain's files: 7-Zip and libvhdi look for a parent beside its child.
    private func flatten(_ chain: [FilePath]) throws -> FilePath {
        let flat = try folder.makeFolder(UUID().uuidString)
        for path in chain {
            try FileManager.default.createSymbolicLink(
                atPath: flat.appending(path.lastComponent?.string ?? "").string, withDestinationPath: path.string)
        }
        return flat.appending(chain.first?.lastComponent?.string ?? "")
    }

    /// Compares what 7-Zip makes of a chain, given from the leaf to the base.
    func expectSevenZip(_ chain: [FilePath], reads expected: [UInt8], _ comment: String = "") async throws {
        let leaf = try flatten(chain)
        let output = folder.appending("\(UUID().uuidString).raw")
        defer { try? FileManager.default.removeItem(atPath: output.string) }
        let result = try await Tool("7zz").run(["e", "-so", "-tvhd", leaf.string], outputTo: output)
        #expect(result.code == 0, "7zz: \(result.messages) \(comment)")
        try expect(output, toEqual: expected, "7zz \(comment)")
    }

    /// Compares what libvhdi makes of a chain; it is right only when all that was written is aligned to 4 KiB.
    func expectLibVHDI(_ chain: [FilePath], reads expected: [UInt8], _ comment: String = "") async throws {
        let leaf = try flatten(chain)
        let mount = try folder.makeFolder(UUID().uuidString)
        let result = try await Tool("vhdimount").run([leaf.string, mount.string], outputTo: folder.appending("log"))
        try #require(result.code == 0, "vhdimount: \(result.messages)")
        let outcome = Swift.Result { () throws in
            try expect(mount.appending("vhdi\(chain.count)"), toEqual: expected, "libvhdi \(comment)")
        }
        let unmount = ["fusermount3", "fusermount"].map(Tool.init).first(where: \.isInstalled)
        let end = try await (unmount ?? Tool("umount")).run((unmount == nil ? [] : ["-u"]) + [mount.string])
        #expect(end.code == 0, "unmounting: \(end.messages)")
        try outcome.get()
    }

    /// Compares what QEMU makes of a disk without a parent.
    func expectQEMU(_ path: FilePath, reads expected: [UInt8]) async throws {
        let output = folder.appending("\(UUID().uuidString).raw")
        defer { try? FileManager.default.removeItem(atPath: output.string) }
        let result = try await Tool("qemu-img").run(
            ["convert", "-f", "vpc", "-O", "raw", path.string, output.string])
        #expect(result.code == 0, "qemu-img: \(result.messages)")
        try expect(output, toEqual: expected, "qemu-img")
    }

    private func expect(_ path: FilePath, toEqual expected: [UInt8], _ comment: String) throws {
        let store = try FileStore(opening: path, access: .readOnly)
        #expect(try store.length() == UInt64(expected.count), "length by \(comment)")
        let found = try store.bytes(at: 0, count: min(expected.count, Int(store.length())))
        guard !found.isSame(as: expected) else { return }
        let sector = stride(from: 0, to: found.count, by: 512).first {
            found[$0..<min($0 + 512, found.count)] != expected[$0..<min($0 + 512, expected.count)]
        }
        Issue.record("\(comment) differs from sector \(sector.map { $0 / 512 } ?? -1) on")
    }
}

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
    static let hasPyVHDI: Bool =
        (try? FileManager.default.contentsOfDirectory(atPath: "/usr/lib/python3/dist-packages"))?
        .contains { $0.hasPrefix("pyvhdi.") } ?? false

    let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
    }

    /// A flat folder of links to the chain's files: 7-Zip and libvhdi look for a parent beside its child.
    private func flatten(_ chain: [FilePath]) throws -> FilePath {
        let flat = try folder.makeFolder(UUID().uuidString)
        for path in chain {
            let name = path.lastComponent?.string ?? ""
            // For a VHDX 7-Zip takes the relative path, backslashes and all, as the name beside the child.
            let places = ["", "..\\", "Snapshots\\", ".\\Snapshots\\"]
            for name in name.hasSuffix("vhdx") ? places.map({ $0 + name }) : [name] {
                try FileManager.default.createSymbolicLink(
                    atPath: "\(flat)/\(name)", withDestinationPath: path.string)
            }
        }
        return flat.appending(chain.first?.lastComponent?.string ?? "")
    }

    /// Compares what 7-Zip makes of a chain, given from the leaf to the base.
    func expectSevenZip(_ chain: [FilePath], reads expected: [UInt8], _ comment: String = "") async throws {
        let leaf = try flatten(chain)
        let output = folder.appending("\(UUID().uuidString).raw")
        defer { try? FileManager.default.removeItem(atPath: output.string) }
        let result = try await Tool("7zz").run(
            ["e", "-so", "-t\(leaf.extension?.hasSuffix("vhdx") == true ? "vhdx" : "vhd")", leaf.string],
            outputTo: output)
        #expect(result.code == 0, "7zz: \(result.messages) \(comment)")
        try expect(output, toEqual: expected, "7zz \(comment)")
    }

    /// Compares what libvhdi makes of a chain; it is right only when all that was written is aligned to 4 KiB.
    func expectLibVHDI(_ chain: [FilePath], reads expected: [UInt8], _ comment: String = "") async throws {
        guard chain[0].extension?.hasSuffix("vhdx") != true else {
            return try await expectPyVHDI(chain, reads: expected, comment)
        }
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

    /// Lets Python say which file is whose parent: vhdimount follows absolute paths alone, which are not written.
    private func expectPyVHDI(_ chain: [FilePath], reads expected: [UInt8], _ comment: String) async throws {
        let output = folder.appending("\(UUID().uuidString).raw")
        defer { try? FileManager.default.removeItem(atPath: output.string) }
        let program = """
            import sys, pyvhdi
            files = [pyvhdi.file() for _ in sys.argv[2:]]
            for file, path in zip(files, sys.argv[2:]): file.open(path)
            for child, parent in zip(files, files[1:]): child.set_parent(parent)
            with open(sys.argv[1], "wb") as output:
                while data := files[0].read_buffer(1 << 20): output.write(data)
            """
        let result = try await Tool("env").run(
            ["/usr/bin/python3", "-c", program, output.string] + chain.map(\.string))
        try #require(result.code == 0, "pyvhdi: \(result.messages)")
        try expect(output, toEqual: expected, "libvhdi \(comment)")
    }

    /// Compares what QEMU makes of a disk without a parent.
    func expectQEMU(_ path: FilePath, reads expected: [UInt8], _ comment: String = "") async throws {
        let output = folder.appending("\(UUID().uuidString).raw")
        defer { try? FileManager.default.removeItem(atPath: output.string) }
        let result = try await Tool("qemu-img").run(
            [
                "convert", "-f", path.extension?.hasSuffix("vhdx") == true ? "vhdx" : "vpc", "-O", "raw", path.string,
                output.string,
            ])
        #expect(result.code == 0, "qemu-img: \(result.messages) \(comment)")
        try expect(output, toEqual: expected, "qemu-img \(comment)")
    }

    /// Whether a VHDX has a log that is to be replayed, as 7-Zip says.
    func hasOpenLog(_ path: FilePath) async throws -> Bool {
        try await Tool("7zz").run(["l", "-tvhdx", path.string]).output.contains("LOG was not replayed")
    }

    /// Lets QEMU replay a VHDX's log, if there is anything in it.
    func repairWithQEMU(_ path: FilePath) async throws {
        let result = try await Tool("qemu-img").run(["check", "-r", "all", "-f", "vhdx", path.string])
        #expect(result.code == 0, "qemu-img check: \(result.messages)")
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

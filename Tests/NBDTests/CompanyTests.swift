// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import Foundation
import NBD
import StorageTestSupport
import SystemPackage
import Testing
import VirtualDisk

/// The command serves a child of a child to programs that others wrote, while clients break the protocol in every way.
@Suite struct `Served in bad company` {
    static let size: Int = 64 << 20

    let folder: TemporaryFolder
    /// What the disk must read as, but for what fio writes.
    private(set) var content = [UInt8](repeating: 0, count: size)

    init() throws {
        folder = try TemporaryFolder()
    }

    /// Makes a chain of three disks, each with something of its own.
    private mutating func makeChain(_ format: DiskFormat) throws -> FilePath {
        let names = ["base.\(format)", "middle.a\(format)", "leaf.a\(format)"].map(folder.appending)
        try format.create(at: names[0], size: UInt64(Self.size))
        for (index, name) in names.enumerated() {
            if index > 0 { try format.createChild(at: name, of: names[index - 1]) }
            let chain = try DiskChain.open(name, beneath: folder.path, access: .readWrite)
            let bytes = [UInt8](repeating: UInt8(index + 1), count: 1 << 20)
            try chain.write(bytes, at: UInt64(index) * 3 << 20 + 512)
            content.replaceSubrange(index * 3 << 20 + 512..<index * 3 << 20 + 512 + bytes.count, with: bytes)
            try chain.close()
        }
        return names[2]
    }

    private mutating func expect(_ byte: UInt8, in range: Range<Int>) {
        content.replaceSubrange(range, with: repeatElement(byte, count: range.count))
    }

    @Test(
        .enabled(if: ServingCommand.path != nil, "the command was not built beside the tests"),
        .enabled(if: Tool.areInstalled("fio", "nbdcopy", "nbdinfo", "qemu-io", "nbdsh", "7zz")),
        arguments: [(DiskFormat.vhd, 400, 200), (.vhdx, 1000, 1024)])
    mutating func `every program finds what it wrote, and so it is on the disk`(
        format: DiskFormat, idle: Int, descriptors: Int
    ) throws {
        let leaf = try makeChain(format)
        let socket = folder.appending("s")
        let command = try ServingCommand(leaf, at: socket, descriptors: descriptors)
        #expect(command.uri == "nbd+unix:///?socket=\(socket)")
        let company = BadCompany(socket.string)
        try letFioVerify(command.uri)
        try letOthersWrite(command.uri)
        try letOthersRead(command.uri)
        try company.leave()
        try keepOutNobody(socket.string, idle)

        // The last word is not flushed by anyone but SIGTERM.
        let last = try RawClient(socket.string).start()
        #expect(try last.write([UInt8](repeating: 8, count: 4096), at: 60 << 20) == 0)
        expect(8, in: 60 << 20..<60 << 20 + 4096)
        let copy = folder.appending("copy").string
        try Tool.succeed("nbdcopy", "--connections=4", command.uri, copy)
        let served = try Data(contentsOf: URL(fileURLWithPath: copy))
        #expect(served[..<(32 << 20)] == Data(content[..<(32 << 20)]))
        #expect(served[(36 << 20)...] == Data(content[(36 << 20)...]))
        #expect(command.terminate() == 0)

        let chain = try DiskChain.open(leaf, beneath: folder.path)
        #expect(chain.warnings.isEmpty && chain.layers.count == 3, "\(chain.warnings)")
        #expect(Data(try chain.bytes(at: 0, count: Self.size)) == served)
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path.string)
        #expect(Set(names).subtracting(["copy"]) == Set(chain.layers.compactMap(\.path.lastComponent?.string)))
        let folder = folder.path.string
        try Tool.succeed("7zz", "e", "-t\(format)", "-o\(folder)/out", leaf.string)
        let files = try FileManager.default.contentsOfDirectory(atPath: "\(folder)/out")
        let file = try #require(files.first)
        #expect(try Data(contentsOf: URL(fileURLWithPath: "\(folder)/out/\(file)")) == served)
    }

    /// fio writes, and reads with checksums, all that lies from 32 to 36 MiB.
    private func letFioVerify(_ uri: String) throws {
        let output = try Tool.run(
            "fio",
            [
                "--name=verify", "--ioengine=nbd", "--uri=\(uri)", "--rw=randwrite", "--bs=4k", "--iodepth=16",
                "--size=4M", "--offset=32M", "--fsync=64", "--verify=crc32c", "--do_verify=1",
                "--verify_state_save=0", "--directory=\(folder.path)",
            ])
        #expect(output.status == 0, "\(output.text) \(output.errors)")
        #expect(output.text.contains("err= 0"))
    }

    private mutating func letOthersWrite(_ uri: String) throws {
        for round in 1...2 {
            let text = try Tool.succeed(
                "qemu-io", "-f", "raw", uri, "-c", "write -P \(round) 40M 1M", "-c", "write -f -P 9 41M 64k",
                "-c", "write -z 40M 64k", "-c", "flush", "-c", "read -P 0 40M 64k", "-c", "read -P 9 41M 64k",
                "-c", "read -P \(round) 41500k 400k", "-c", "read -P 1 512 1M", "-c", "read -P 3 6145k 1000k")
            #expect(!text.contains("failed"), "\(text)")
            try Tool.succeed(
                "nbdsh", "-u", uri, "-c", "h.pwrite(b'\\x0\(round)' * 65536, 50 << 20, nbd.CMD_FLAG_FUA)", "-c",
                "h.flush(); assert h.pread(65536, 50 << 20) == b'\\x0\(round)' * 65536", "-c",
                "h.zero(65536, (3 << 20) + 65536); h.trim(1 << 20, 50 << 20); h.pwrite(b'\\x07' * 1048576, 50 << 20)")
        }
        expect(2, in: 40 << 20..<41 << 20)
        expect(0, in: 40 << 20..<40 << 20 + 65536)
        expect(9, in: 41 << 20..<41 << 20 + 65536)
        expect(0, in: 3 << 20 + 65536..<3 << 20 + 131_072)
        expect(7, in: 50 << 20..<51 << 20)
    }

    private func letOthersRead(_ uri: String) throws {
        let copy = folder.appending("copy").string
        try Tool.succeed("nbdcopy", "--connections=4", uri, copy)
        let bytes = try Data(contentsOf: URL(fileURLWithPath: copy))
        #expect(bytes[..<(32 << 20)] == Data(content[..<(32 << 20)]))
        let lines = try Tool.succeed("nbdinfo", "--map", uri).split(separator: "\n")
        let parts = lines.compactMap { $0.split(separator: " ").prefix(3).compactMap { Int($0) } }
        // What is stored is told as such, and nothing beyond the last of it is.
        #expect(parts.contains { $0[2] == 0 } && parts.last?[2] == 3)
        #expect(parts.map { $0[1] }.reduce(0, +) == Self.size)
    }

    /// Clients finish their handshakes and ask for nothing, while others want to work.
    private func keepOutNobody(_ socket: String, _ count: Int) throws {
        var idle: [RawClient] = []
        for _ in 0..<count { idle.append(try RawClient(socket).start()) }
        let honest = try RawClient(socket).start()
        #expect(try honest.read(512, at: 512) == [UInt8](repeating: 1, count: 512))
        try withExtendedLifetime(idle) { try Bystander(honest, at: 62 << 20).stop() }
        #expect(try honest.write([UInt8](repeating: 0, count: 512), at: 62 << 20) == 0)
    }
}

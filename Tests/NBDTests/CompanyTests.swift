// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import Foundation
import NBD
import StorageTestSupport
import SystemPackage
import Testing
import VirtualDisk

/// A chain of disks on a socket, and clients that break the protocol in every way, again and again until told to stop.
@Suite struct `In bad company` {
    static let size: UInt64 = 64 << 20

    let folder: TemporaryFolder
    let server = NBDServer()
    let disk: DiskChain
    let socket: FilePath
    let company: BadCompany

    init() throws {
        folder = try TemporaryFolder()
        let names = ["base.vhd", "middle.vhd", "leaf.vhd"].map { [folder] in folder.appending($0) }
        try VHD.create(at: names[0], size: Self.size)
        for (index, name) in names.enumerated() {
            if index > 0 { try VHD.createChild(at: name, of: names[index - 1]) }
            let chain = try DiskChain.open(name, beneath: folder.path, access: .readWrite)
            let bytes = [UInt8](repeating: UInt8(index + 1), count: 1 << 20)
            try unsafe chain.write(bytes.span.bytes, at: UInt64(index) * 3 << 20 + 512)
            try chain.close()
        }
        disk = try DiskChain.open(names[2], beneath: folder.path, access: .readWrite)
        socket = folder.appending("run/s")
        try server.listen(at: socket, exports: [Export(disk)])
        company = BadCompany(socket.string)
    }

    private var uri: String { "nbd+unix:///?socket=\(socket)" }

    private func conclude() throws {
        try company.leave()
        server.stop(within: .zero)
        #expect(server.connectionCount == 0)
        try disk.close()
    }

    @Test(.enabled(if: Tool.areInstalled("fio")))
    func `fio finds what it wrote`() throws {
        let output = try Tool.run(
            "fio",
            [
                "--name=verify", "--ioengine=nbd", "--uri=\(uri)", "--rw=randwrite", "--bs=4k", "--iodepth=16",
                "--size=16M", "--offset=32M", "--fsync=64", "--verify=crc32c", "--do_verify=1",
                "--verify_state_save=0", "--directory=\(folder.path)",
            ])
        #expect(output.status == 0, "\(output.text) \(output.errors)")
        #expect(output.text.contains("err= 0"))
        try conclude()
    }

    @Test(.enabled(if: Tool.areInstalled("nbdcopy", "nbdinfo")))
    func `nbdcopy copies over four connections, and nbdinfo maps`() throws {
        var expected = [UInt8](repeating: 0, count: Int(Self.size))
        for index in 0..<3 {
            let start = index * 3 << 20 + 512
            expected.replaceSubrange(start..<start + 1 << 20, with: repeatElement(UInt8(index + 1), count: 1 << 20))
        }
        for round in 0..<2 {
            let copy = folder.appending("copy\(round)").string
            try Tool.succeed("nbdcopy", "--connections=4", uri, copy)
            #expect(try Data(contentsOf: URL(fileURLWithPath: copy)) == Data(expected))
        }
        let lines = try Tool.succeed("nbdinfo", "--map", uri).split(separator: "\n")
        let numbers = lines.compactMap { $0.split(separator: " ").prefix(3).map(String.init) }
        // Each part that is stored is told as such, and nothing beyond the last one is.
        #expect(numbers.contains { $0[2] == "0" } && numbers.last?[2] == "3")
        #expect(numbers.compactMap { Int($0[1]) }.reduce(0, +) == Int(Self.size))
        try conclude()
    }

    @Test(.enabled(if: Tool.areInstalled("qemu-io", "nbdsh")))
    func `qemu-io and nbdsh read what they wrote`() throws {
        for round in 1...2 {
            let text = try Tool.succeed(
                "qemu-io", "-f", "raw", uri, "-c", "write -P \(round) 40M 1M", "-c", "write -f -P 9 41M 64k",
                "-c", "write -z 40M 64k", "-c", "flush", "-c", "read -P 0 40M 64k", "-c", "read -P 9 41M 64k",
                "-c", "read -P \(round) 41500k 400k", "-c", "read -P 1 512 1M", "-c", "read -P 3 6145k 1000k")
            #expect(!text.contains("failed"), "\(text)")
            try Tool.succeed(
                "nbdsh", "-u", uri, "-c", "h.pwrite(b'\\x0\(round)' * 65536, 50 << 20, nbd.CMD_FLAG_FUA)", "-c",
                "h.flush(); assert h.pread(65536, 50 << 20) == b'\\x0\(round)' * 65536")
        }
        try conclude()
    }
}

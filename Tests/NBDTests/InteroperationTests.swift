// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import Foundation
import NBD
import StorageTestSupport
import Synchronization
import SystemPackage
import Testing
import VirtualDisk

@Suite struct `Other programs as clients` {
    @Test(.enabled(if: Tool.areInstalled("nbdinfo")))
    func `nbdinfo sees the export as it is`() throws {
        let served = try ServedExport(MemoryDevice(size: 8 << 20))
        let text = try Tool.succeed("nbdinfo", "--json", served.uri)
        let document = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any]
        let export = try #require((document?["exports"] as? [[String: Any]])?.first)
        #expect(document?["protocol"] as? String == "newstyle-fixed")
        #expect(document?["structured"] as? Bool == true)
        #expect(export["export-size"] as? Int == 8 << 20)
        #expect(export["description"] as? String == "a disk in memory")
        #expect(export["contexts"] as? [String] == ["base:allocation"])
        for key in [
            "can_flush", "can_fua", "can_trim", "can_zero", "can_fast_zero", "can_df", "can_multi_conn", "can_cache",
        ] {
            #expect(export[key] as? Bool == true, "\(key)")
        }
        #expect(export["is_read_only"] as? Bool == false)
        #expect(export["block_size_minimum"] as? Int == 512)
        #expect(export["block_size_preferred"] as? Int == 4096)
        #expect(export["block_size_maximum"] as? Int == 32 << 20)
    }

    @Test(.enabled(if: Tool.areInstalled("nbdinfo")))
    func `nbdinfo lists the exports and maps one`() throws {
        let device = MemoryDevice(size: 1 << 20)
        try device.write([UInt8](repeating: 7, count: 4096), at: 64 << 10)
        let served = try ServedExport(device)
        #expect(try Tool.succeed("nbdinfo", "--list", served.uri).contains("export=\"\":"))
        let map = try Tool.succeed("nbdinfo", "--map", served.uri)
        let lines = map.split(separator: "\n").map { $0.split(separator: " ").prefix(3).joined(separator: " ") }
        #expect(lines == ["0 65536 3", "65536 4096 0", "69632 978944 3"])
    }

    @Test(.enabled(if: Tool.areInstalled("nbdinfo", "qemu-io")))
    func `a disk of large sectors has its minimum block size, which QEMU keeps to`() throws {
        let memory = MemoryDevice(size: 1 << 20)
        let served = try ServedExport(LargeSectorDevice(memory))
        let text = try Tool.succeed("nbdinfo", "--json", served.uri)
        let document = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any]
        let export = try #require((document?["exports"] as? [[String: Any]])?.first)
        #expect(export["block_size_minimum"] as? Int == 4096)
        // QEMU reads the rest of the sector itself.
        let output = try Tool.succeed("qemu-io", "-f", "raw", served.uri, "-c", "write -P 5 1000 1", "-c", "flush")
        #expect(!output.contains("failed"))
        #expect(memory.bytes[1000] == 5)
    }

    @Test(.enabled(if: Tool.areInstalled("nbdinfo")))
    func `a VHDX of large sectors is served in large sectors`() throws {
        let folder = try TemporaryFolder()
        let path = folder.appending("large.vhdx")
        try VHDX.create(at: path, size: 8 << 20)
        let store = try FileStore(opening: path, access: .readWrite)
        // The fourth entry of the metadata table says where the size of a sector stands.
        let entry = try store.bytes(at: 2 << 20 + 32 + 3 * 32 + 16, count: 4)
        let place = entry.reversed().reduce(0) { $0 << 8 | UInt64($1) }
        #expect(try store.bytes(at: 2 << 20 + place, count: 4) == [0, 2, 0, 0])
        try store.write([0, 16, 0, 0] as [UInt8], at: 2 << 20 + place)
        let served = try ServedExport(DiskChain.open(path, beneath: folder.path))
        let text = try Tool.succeed("nbdinfo", "--json", served.uri)
        let document = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any]
        let export = try #require((document?["exports"] as? [[String: Any]])?.first)
        #expect(export["block_size_minimum"] as? Int == 4096, "\(text)")
    }

    @Test(.enabled(if: Tool.areInstalled("qemu-io")))
    func `qemu-io writes, zeroes, discards and reads back`() throws {
        let device = MemoryDevice(size: 4 << 20)
        let served = try ServedExport(device)
        let text = try Tool.succeed(
            "qemu-io", "-f", "raw", served.uri,
            "-c", "write -P 7 0 64k", "-c", "write -f -P 9 64k 64k", "-c", "write -z 4k 4k", "-c", "write -z -u 8k 4k",
            "-c", "discard 12k 4k", "-c", "flush", "-c", "read -P 0 4k 12k", "-c", "read -P 7 16k 48k",
            "-c", "read -P 9 64k 64k", "-c", "read -P 0 128k 1M", "-c", "write -P 5 1000 1", "-c", "read -P 5 1000 1")
        #expect(!text.contains("failed"), "\(text)")
        #expect(device.bytes[1000] == 5)
        #expect(device.bytes[65536...].prefix(65536).allSatisfy { $0 == 9 })
        #expect(device.count(of: .flush) >= 2)
    }

    @Test(.enabled(if: Tool.areInstalled("nbdcopy")))
    func `nbdcopy takes the same bytes over one connection and over four`() throws {
        var random = SystemRandomNumberGenerator()
        let device = MemoryDevice(size: 16 << 20)
        for offset in stride(from: UInt64(0), to: 16 << 20, by: 3 << 20) {
            let bytes = (0..<(512 << 10)).map { _ in UInt8.random(in: 0...255, using: &random) }
            try device.write(bytes, at: offset)
        }
        let served = try ServedExport(device)
        let target = MemoryDevice(size: 16 << 20)
        let servedTarget = try ServedExport(target)
        let file = served.folder.appending("copy").string
        try Tool.succeed("nbdcopy", "--connections=1", served.uri, file)
        #expect(try Data(contentsOf: URL(fileURLWithPath: file)) == Data(device.bytes))
        try Tool.succeed("nbdcopy", "--connections=4", "--flush", served.uri, servedTarget.uri)
        #expect(target.bytes == device.bytes)
    }

    @Test(.enabled(if: Tool.areInstalled("qemu-io")))
    func `QEMU takes its disk from an inherited descriptor`() throws {
        let ends = Shared(Mutex<[ConnectionEnd]>([]), Atomic(0))
        let server = NBDServer { end in ends.first.withLock { $0.append(end) } }
        let device = MemoryDevice(size: 4 << 20)
        let (ours, theirs) = try RawClient.socketPair()
        let connection = try server.serve(connection: ours, export: Export(device))
        let output = try Tool.run(
            "qemu-io",
            [
                "--image-opts", "driver=nbd,server.type=fd,server.str=0", "-c", "write -P 7 4k 64k", "-c", "flush",
                "-c", "read -P 7 4k 64k",
            ], input: FileHandle(fileDescriptor: theirs.rawValue, closeOnDealloc: false))
        try theirs.close()
        #expect(output.status == 0 && !output.text.contains("failed"), "\(output)")
        #expect(device.bytes[4096..<69632].allSatisfy { $0 == 7 })
        #expect(connection.waitUntilClosed()?.reason == .finished)
        #expect(ends.first.withLock { $0 } == [.init(connection: connection.id, reason: .finished)])
    }

    @Test(.enabled(if: Tool.areInstalled("qemu-img")))
    func `qemu-img converts to and from the export, and benches it`() throws {
        let device = MemoryDevice(size: 8 << 20)
        let served = try ServedExport(device)
        var random = SystemRandomNumberGenerator()
        var bytes = [UInt8](repeating: 0, count: 8 << 20)
        for start in [0, 100_000, 5 << 20] {
            for index in start..<start + 70_000 {
                bytes[index] = UInt8.random(in: 0...255, using: &random)
            }
        }
        // What was there must be gone.
        try device.write([UInt8](repeating: 0xff, count: 8 << 20), at: 0)
        let (source, target) = (served.folder.appending("source").string, served.folder.appending("target").string)
        try Data(bytes).write(to: URL(fileURLWithPath: source))
        try Tool.succeed("qemu-img", "convert", "-n", "-f", "raw", "-O", "raw", source, served.uri)
        #expect(device.bytes == bytes)
        try Tool.succeed("qemu-img", "convert", "-f", "raw", "-O", "qcow2", served.uri, target)
        try Tool.succeed("qemu-img", "compare", "-f", "raw", "-F", "qcow2", served.uri, target)
        try Tool.succeed(
            "qemu-img", "bench", "-f", "raw", "-c", "2000", "-d", "16", "-s", "4k", "-w", "--flush-interval=100",
            served.uri)
        #expect(device.count(of: .flush) >= 20)
        try Tool.succeed("qemu-img", "bench", "-f", "raw", "-c", "2000", "-d", "16", "-s", "64k", served.uri)
    }

    @Test(.enabled(if: Tool.areInstalled("nbdsh")))
    func `libnbd does every command, with structured replies and without`() throws {
        let code = """
            assert h.get_size() == 4 << 20
            h.pwrite(b'a' * 4096, 0)
            h.pwrite(b'b' * 4096, 4096, nbd.CMD_FLAG_FUA)
            h.pwrite(b'c' * 65536, 1 << 20)
            h.flush()
            assert h.pread(8192, 0) == b'a' * 4096 + b'b' * 4096
            assert h.pread(1 << 20, 1 << 20) == b'c' * 65536 + bytes((1 << 20) - 65536)
            h.zero(4096, 0, nbd.CMD_FLAG_NO_HOLE)
            h.zero(4096, 4096, nbd.CMD_FLAG_FUA)
            h.trim(65536, 1 << 20)
            h.cache(1 << 20, 0)
            assert h.pread(4 << 20, 0) == bytes(4 << 20)
            h.set_strict_mode(0)
            for wrong in (lambda: h.pread(512, 4 << 20), lambda: h.pread(10, 5), lambda: h.pwrite(b'x' * 512, 4 << 20)):
                try:
                    wrong()
                    assert False
                except nbd.Error as error:
                    assert error.errno in ('EINVAL', 'ENOSPC'), error
            """
        let structured = """
            assert h.get_structured_replies_negotiated()
            assert h.pread(65536, 0, nbd.CMD_FLAG_DF) == bytes(65536)
            entries = []
            h.block_status(4 << 20, 0, lambda name, offset, list, error: entries.extend(list))
            assert entries == [4096, 0, (4 << 20) - 4096, 3], entries
            h.block_status(4 << 20, 0, lambda name, offset, list, error: entries.extend(list), nbd.CMD_FLAG_REQ_ONE)
            assert entries[4:] == [4096, 0], entries
            """
        for (prepare, more) in [
            ("h.add_meta_context('base:allocation')", structured),
            ("h.set_request_structured_replies(False)", "assert not h.get_structured_replies_negotiated()"),
            // Without fixed newstyle there is only EXPORT_NAME.
            ("h.set_handshake_flags(0)", "assert not h.get_structured_replies_negotiated()"),
        ] {
            let device = MemoryDevice(size: 4 << 20)
            let served = try ServedExport(device)
            try Tool.succeed(
                "nbdsh", "-c", prepare, "-c", "h.connect_uri('\(served.uri)')", "-c", code, "-c", more,
                "-c", "h.shutdown()")
            #expect(device.count(of: .flush) >= 3)
        }
    }

    @Test(.enabled(if: Tool.areInstalled("fio")))
    func `fio finds what it wrote, while layers are swapped`() throws {
        let export = Export(LayerDevice(over: MemoryDevice(size: 16 << 20)))
        let server = NBDServer()
        defer { server.stop() }
        let folder = try TemporaryFolder()
        let socket = folder.appending("run/s")
        try server.listen(at: socket, exports: [export])
        let fio = Background {
            try Tool.run(
                "fio",
                [
                    "--name=verify", "--ioengine=nbd", "--uri=nbd+unix:///?socket=\(socket)", "--rw=randwrite",
                    "--bs=4k",
                    "--iodepth=16", "--size=16M", "--fsync=64", "--verify=crc32c", "--do_verify=1",
                    "--verify_state_save=0",
                    "--randseed=\(UInt32.random(in: 0...UInt32.max))", "--directory=\(folder.path)",
                ])
        }
        var swaps = 0
        while !fio.hasEnded {
            let layer = try #require(export.device as? LayerDevice)
            if swaps < 20, layer.writes.load(ordering: .relaxed) > 50 {
                try export.swap(to: LayerDevice(over: layer))
                layer.seal()
                #expect(layer.lateWrites.load(ordering: .relaxed) == 0)
                swaps += 1
            }
        }
        let output = try #require(try fio.value())
        #expect(output.status == 0, "\(output.text) \(output.errors)")
        #expect(output.text.contains("err= 0"))
        #expect(swaps > 1)
    }
}

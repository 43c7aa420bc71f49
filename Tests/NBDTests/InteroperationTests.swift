// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import FermataTestSupport
import Foundation
import NBD
import SystemPackage
import Testing

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
}

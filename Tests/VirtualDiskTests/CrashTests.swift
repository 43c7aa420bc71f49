// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import StorageTestSupport
import SystemPackage
import Testing
import VirtualDisk

struct CrashTests {
    static let isThorough: Bool = RecordedChain.isThorough
    static let seeds: [UInt64] = isThorough ? [11, 12, .random(in: 0 ... .max)] : [.random(in: 0 ... .max)]

    @Test(
        arguments: seeds,
        [(DiskFormat.vhd, DiskKind.dynamic), (.vhd, .differencing), (.vhdx, .dynamic), (.vhdx, .differencing)])
    func `after a power cut flushed data is there, and no sector is anything but old or new`(
        seed: UInt64, disk: (format: DiskFormat, kind: DiskKind)
    ) throws {
        print("crash seed \(seed) \(disk)")
        var load = try CrashWorkload(seed: seed, kind: disk.kind, format: disk.format)
        for _ in 0..<36 { try load.step() }
        try load.checkEveryCrash()
    }

    @Test(arguments: seeds, [DiskFormat.vhd, .vhdx])
    func `a chain that is extended while it is written survives a power cut at any moment`(
        seed: UInt64, format: DiskFormat
    ) throws {
        print("crash seed \(seed) \(format) extended")
        var load = try CrashWorkload(seed: seed, kind: .differencing, format: format)
        for _ in 0..<14 { try load.step() }
        try load.extend()
        for _ in 0..<14 { try load.step() }
        try load.chain.sealParents()
        for _ in 0..<6 { try load.step() }
        try load.checkEveryCrash()
    }

    @Test(arguments: [Errno.noSpace, .ioError], [DiskFormat.vhd, .vhdx])
    func `a call that fails loses nothing that was flushed`(errno: Errno, format: DiskFormat) throws {
        for (call, lasts) in (1...40).flatMap({ [($0, false), ($0, true)] }) where Self.isThorough || call % 5 < 2 {
            var load = try CrashWorkload(seed: 77, kind: call % 2 == 0 ? .dynamic : .differencing, format: format)
            for _ in 0..<6 { try load.step() }
            try load.chain.flush()
            load.noteFlush()
            load.tree.fail(.init(call: call, errno: errno, lasts: lasts))
            for _ in 0..<12 { load.stepThatMayFail() }
            load.tree.fail(nil)
            try load.checkAfterFaults("call \(call)")
        }
    }
}

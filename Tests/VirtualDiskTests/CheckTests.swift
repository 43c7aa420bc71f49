// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import Foundation
import StorageTestSupport
import SystemPackage
import Testing

@testable import VirtualDisk

struct CheckTests {
    /// A disk with the bytes of its metadata.
    private static func image(_ kind: DiskKind) throws -> SmallDisk {
        var disk = try SmallDisk(.vhd, kind)
        let count = disk.files[disk.name]?.count ?? 0
        disk.metadata = Array(count - 512..<count)
        if kind != .fixed { disk.metadata += Array(0..<2048) }
        if kind == .differencing { disk.metadata += Array(2048..<2048 + 20) }
        // Of a child's bitmap nothing else says what it should be.
        if kind == .dynamic { disk.metadata += Array(3584..<4096) }
        return disk
    }

    /// A file of a dynamic disk, its bitmap without the bits of zeros: whether they are set makes no difference.
    private static func normal(_ bytes: [UInt8]?) -> [UInt8] {
        var bytes = bytes ?? []
        for sector in 0..<SmallDisk.sectors {
            let start = 4096 + 512 * sector
            guard bytes.count >= start + 512, bytes[start..<start + 512].allSatisfy({ $0 == 0 }) else { continue }
            bytes[3584 + sector / 8] &= ~(0x80 >> UInt8(sector % 8))
        }
        return bytes
    }

    @Test(arguments: [DiskKind.fixed, .dynamic, .differencing])
    func `every flipped byte of metadata is reported, or does no harm`(kind: DiskKind) throws {
        let image = try Self.image(kind)
        let flips = try image.flip({ RecordedChain.isThorough || $0 % 23 == 0 || $1 < 24 }) { bytes in
            kind == .dynamic ? Self.normal(bytes) : bytes ?? []
        }
        print("\(kind): \(image.metadata.count) bytes, \(flips)")
        #expect(flips.reported > 30)
    }

    @Test func `a repair that a power cut ends is finished by the next one`() throws {
        let image = try Self.image(.dynamic)
        let count = try #require(image.files[image.name]?.count)
        var files = image.files
        files[image.name]?.replaceSubrange(count - 512..<count, with: repeatElement(7, count: 512))
        files[image.name]?[3586] = 0
        let folder = RecordingTree(files)
        let repaired = try DiskCheck.repair([image.name], in: folder)
        #expect(repaired.isOK && !repaired.repaired.isEmpty, "\(repaired)")
        #expect(folder.files[image.name] == image.files[image.name])
        #expect(repaired.backup == "/recording/base.vhd.backup-1")
        var generator = SeededGenerator(seed: 3)
        var crashed = CrashedFiles(files)
        for change in folder.log {
            crashed.advance(change)
            for state in [crashed.all, crashed.some(using: &generator), crashed.some(using: &generator)] {
                let again = RecordingTree(state)
                #expect(try DiskCheck.repair([image.name], in: again).isOK)
                #expect(try RecordedChain.read(image.name, in: again) == image.content)
                #expect(try DiskCheck.check([image.name], in: again).isOK)
            }
        }
        for errno in [Errno.noSpace, .ioError] {
            for call in 1...folder.calls {
                let failing = RecordingTree(files)
                failing.fail(.init(call: call, errno: errno, lasts: call % 2 == 0))
                #expect(throws: DiskError.self) { try DiskCheck.repair([image.name], in: failing) }
                failing.fail(nil)
                #expect(try DiskCheck.repair([image.name], in: failing).isOK)
                #expect(try RecordedChain.read(image.name, in: failing) == image.content)
            }
        }
    }

    @Test func `a missing parent is a problem that no repair solves`() throws {
        var image = try Self.image(.differencing)
        image.files["base.vhd"] = nil
        let folder = RecordingTree(image.files)
        let check = try DiskCheck.repair([image.name], in: folder)
        #expect(check.problems.map(\.code) == ["parent-missing"] && folder.log.isEmpty)
    }
}

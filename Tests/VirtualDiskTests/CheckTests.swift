// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import Foundation
import StorageTestSupport
import SystemPackage
import Testing

@testable import VirtualDisk

struct CheckTests {
    /// A small disk's file, with what it reads as and where its metadata lies.
    private struct Image {
        var files: [String: [UInt8]]
        var name: String
        var content: [Int]
        var metadata: [Int]
    }

    /// Some sectors of one block, over a parent if it is a child.
    private static func image(_ kind: DiskKind) throws -> Image {
        let folder = try TemporaryFolder()
        var files: [String: [UInt8]] = [:]
        let size: UInt64 = 100 * 512
        func take(_ name: String) throws {
            let store = try FileStore(opening: folder.appending(name), access: .readOnly)
            files[name] = try store.bytes(at: 0, count: Int(store.length()))
        }
        func write(_ name: String, _ stamp: Int, _ sectors: Range<Int>) throws {
            let chain = try DiskChain.open(folder.appending(name), beneath: folder.path, access: .readWrite)
            try chain.write(StampedSectors.bytes(stamp, sectors), at: UInt64(sectors.lowerBound) * 512)
            try chain.close()
        }
        var name = "base.vhd"
        var content = [Int](repeating: 0, count: 100)
        try VHD.create(at: folder.appending(name), size: size, kind: kind == .fixed ? .fixed : .dynamic)
        try write(name, 1, 10..<50)
        content.replaceSubrange(10..<50, with: repeatElement(1, count: 40))
        if kind == .differencing {
            try VHD.createChild(at: folder.appending("child.avhd"), of: folder.appending(name))
            try take(name)
            name = "child.avhd"
            try write(name, 2, 40..<60)
            content.replaceSubrange(40..<60, with: repeatElement(2, count: 20))
        }
        try take(name)
        let count = files[name]?.count ?? 0
        var metadata = Array(count - 512..<count)
        if kind != .fixed { metadata += Array(0..<2048) }
        if kind == .differencing { metadata += Array(2048..<2048 + 20) }
        // Of a child's bitmap nothing else says what it should be.
        if kind == .dynamic { metadata += Array(3584..<4096) }
        return Image(files: files, name: name, content: content, metadata: metadata)
    }

    @Test(arguments: [DiskKind.fixed, .dynamic, .differencing])
    func `every flipped byte of metadata is reported, or does no harm`(kind: DiskKind) throws {
        let image = try Self.image(kind)
        #expect(try DiskCheck.check([image.name], in: RecordingTree(image.files)).problems == [])
        let original = try #require(image.files[image.name])
        var reported = 0
        for (index, place) in image.metadata.enumerated() {
            guard RecordedChain.isThorough || index % 23 == 0 || place < 24 else { continue }
            for mask in [0xFF, 1 << UInt8(place % 8)] as [UInt8] {
                var files = image.files
                files[image.name]?[place] ^= mask
                let folder = RecordingTree(files)
                let found = try DiskCheck.check([image.name], in: folder)
                if !found.isOK { reported += 1 }
                let repaired = try DiskCheck.repair([image.name], in: folder)
                guard repaired.isOK else {
                    #expect(!found.isOK)
                    #expect(
                        folder.files[image.name] == files[image.name] || found.problems.contains(where: \.isRepairable))
                    continue
                }
                let content = try RecordedChain.read(image.name, in: folder)
                #expect(content == image.content, "byte \(place), mask \(mask): \(found.problems)")
                let bytes = folder.files[image.name]
                // What no rule speaks of does no harm and stays as it is.
                #expect(found.isOK || bytes == original, "byte \(place), mask \(mask): \(found.problems)")
            }
        }
        #expect(reported > 30)
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

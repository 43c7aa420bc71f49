// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import StorageTestSupport
import SystemPackage
import Testing

@testable import VirtualDisk

/// A small disk's file, with what it reads as and the bytes of its metadata that are flipped.
struct SmallDisk {
    var files: [String: [UInt8]] = [:]
    private(set) var name: String
    private(set) var content: [Int]
    var metadata: [Int] = []

    /// Whole physical sectors, in one block.
    static let sectors: Int = 104

    /// Some sectors of one block, over a parent if it is a child.
    init(_ format: DiskFormat, _ kind: DiskKind) throws {
        let folder = try TemporaryFolder()
        name = "base.\(format)"
        content = [Int](repeating: 0, count: Self.sectors)
        let size = UInt64(Self.sectors) * 512
        try format.create(at: folder.appending(name), size: size, kind: kind == .fixed ? .fixed : .dynamic)
        try write(1, 10..<50, in: folder)
        if kind == .differencing {
            let child = "child.a\(format)"
            try format.createChild(at: folder.appending(child), of: folder.appending(name))
            try take(from: folder)
            name = child
            try write(2, 40..<60, in: folder)
        }
        try take(from: folder)
    }

    private mutating func write(_ stamp: Int, _ sectors: Range<Int>, in folder: TemporaryFolder) throws {
        let chain = try DiskChain.open(folder.appending(name), beneath: folder.path, access: .readWrite)
        try chain.write(StampedSectors.bytes(stamp, sectors), at: UInt64(sectors.lowerBound) * 512)
        try chain.close()
        content.replaceSubrange(sectors, with: repeatElement(stamp, count: sectors.count))
    }

    private mutating func take(from folder: TemporaryFolder) throws {
        let store = try FileStore(opening: folder.appending(name), access: .readOnly)
        files[name] = try store.bytes(at: 0, count: Int(store.length()))
    }

    /// Flips bytes of the metadata one by one: each is reported, or does no harm.
    ///
    /// - Parameters:
    ///   - wanted: whether the byte of that number and place is flipped.
    ///   - normal: a file without what a repair may change.
    func flip(
        _ wanted: (_ number: Int, _ place: Int) -> Bool, normal: ([UInt8]?) -> [UInt8]
    ) throws -> (reported: Int, repaired: Int) {
        #expect(try DiskCheck.check([name], in: RecordingTree(files)).problems == [])
        let original = normal(files[name])
        var (reported, repairs) = (0, 0)
        for (number, place) in metadata.enumerated() where wanted(number, place) {
            for mask in [0xFF, 1 << UInt8(place % 8)] as [UInt8] {
                var flipped = files
                flipped[name]?[place] ^= mask
                let folder = RecordingTree(flipped)
                let found = try DiskCheck.check([name], in: folder)
                if !found.isOK { reported += 1 }
                guard try DiskCheck.repair([name], in: folder).isOK else {
                    #expect(!found.isOK)
                    #expect(folder.files[name] == flipped[name] || found.problems.contains(where: \.isRepairable))
                    continue
                }
                if !found.isOK { repairs += 1 }
                let comment: Comment = "byte \(place), mask \(mask): \(found.problems)"
                #expect(try RecordedChain.read(name, in: folder) == content, comment)
                // What no rule speaks of does no harm and stays as it is.
                #expect(found.isOK || normal(folder.files[name]) == original, comment)
            }
        }
        return (reported, repairs)
    }
}

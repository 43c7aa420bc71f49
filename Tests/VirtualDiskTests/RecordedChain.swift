// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import Foundation
import StorageTestSupport
import SystemPackage
import Testing

@testable import VirtualDisk

/// A chain of small disks in recorded files, with what each of them reads as.
struct RecordedChain {
    static let sectors: Int = (2 << 20) / 512 + 5

    /// The files' names, the base first.
    let names: [String]
    let files: [String: [UInt8]]
    /// The number of the write that each sector of each disk shows.
    let content: [String: [Int]]

    /// Whether every crash is looked at, and not only some.
    static let isThorough: Bool = ProcessInfo.processInfo.environment["FERMATA_TEST_ALL"] != nil

    /// Makes a chain of so many disks, the last of which may have a twin.
    init(
        depth: Int, seed: UInt64, kind: DiskKind = .dynamic, dirty: [Int] = [], twin: Bool = false,
        format: DiskFormat = .vhd
    ) throws {
        var generator = SeededGenerator(seed: seed)
        let folder = try TemporaryFolder()
        var names: [String] = []
        var content: [String: [Int]] = [:]
        var current = [Int](repeating: 0, count: Self.sectors)
        for level in 0..<depth + (twin ? 1 : 0) {
            let isTwin = level == depth
            let name = (level == 0 ? "d0." : "d\(level).a") + (format == .vhd ? "vhd" : "vhdx")
            let path = folder.appending(name)
            if level == 0 {
                try format.create(at: path, size: UInt64(Self.sectors) * 512, kind: kind)
            } else {
                let parent = names[isTwin ? level - 2 : level - 1]
                try format.createChild(at: path, of: folder.appending(parent))
                current = content[parent] ?? current
            }
            let chain = try DiskChain.open(path, beneath: folder.path, access: .readWrite)
            for number in 0..<(dirty.isEmpty ? 6 : dirty[min(level, dirty.count - 1)]) {
                let count = [1, 3, 9, 40].randomElement(using: &generator) ?? 1
                let places = [0, 4090, 4096, Self.sectors - count, Int.random(in: 0..<Self.sectors, using: &generator)]
                let start = places.randomElement(using: &generator) ?? 0
                let range = start..<min(start + count, Self.sectors)
                let stamp = generator.chance(20) ? 0 : level * 100 + number + 1
                if stamp == 0 {
                    try chain.writeZeroes(UInt64(range.lowerBound) * 512..<UInt64(range.upperBound) * 512)
                } else {
                    try chain.write(StampedSectors.bytes(stamp, range), at: UInt64(range.lowerBound) * 512)
                }
                for sector in range { current[sector] = stamp }
            }
            try chain.close()
            names.append(name)
            content[name] = current
        }
        self.names = names
        self.content = content
        var files: [String: [UInt8]] = [:]
        for name in names {
            let store = try FileStore(opening: folder.appending(name), access: .readOnly)
            files[name] = try store.bytes(at: 0, count: Int(store.length()))
        }
        self.files = files
    }

    /// What a disk reads as: the number of the write that each of its sectors shows.
    static func read(_ name: String, in tree: any FileTree) throws -> [Int] {
        let chain = try DiskChain.open([name], in: tree, access: .readOnly)
        return StampedSectors.numbers(try chain.bytes(at: 0, count: Int(chain.size)))
    }

    /// Expects every disk to read as it did, those left out that are gone or were replaced.
    func expect(
        _ tree: any FileTree, _ changed: [String: String] = [:], without gone: [String], _ comment: String
    )
        throws
    {
        for name in names where !gone.contains(name) {
            let expected = content[changed[name] ?? name]
            let found = try Self.read(name, in: tree)
            guard found != expected else { continue }
            let sector = zip(found, expected ?? []).enumerated().first { $1.0 != $1.1 }?.offset ?? -1
            Issue.record("\(comment): \(name) differs from sector \(sector) on")
        }
    }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import StorageTestSupport
import SystemPackage
import Testing
import VirtualDisk

/// Random requests to a chain that grows, beside a flat model of what each of its disks must read as.
struct ChainWorkload {
    let folder: TemporaryFolder
    let size: Int
    /// What offsets and lengths are multiples of.
    let unit: Int
    let format: DiskFormat
    /// The longest range of zeros.
    var longestZeros: Int = 3 << 20
    var generator: SeededGenerator
    var chain: DiskChain
    /// The bytes that the leaf must read as.
    var model: [UInt8]
    /// The files so far and what each one reads as, the leaf left out, the base first.
    var sealed: [(path: FilePath, content: [UInt8])] = []
    var leaf: FilePath

    init(seed: UInt64, size: Int, unit: Int, base: DiskKind, format: DiskFormat = .vhd) throws {
        folder = try TemporaryFolder()
        try folder.makeFolder("web/Snapshots")
        self.size = size
        self.unit = unit
        self.format = format
        generator = SeededGenerator(seed: seed)
        leaf = folder.appending("web/base.\(format)")
        try format.create(at: leaf, size: UInt64(size), kind: base)
        chain = try DiskChain.open(leaf, beneath: folder.path, access: .readWrite)
        model = Array(repeating: 0, count: size)
    }

    /// A range that likes the start, the end and the borders of blocks.
    mutating func range(upTo longest: Int) -> Range<Int> {
        let places = size / unit
        let length = Int.random(in: 1...max(1, longest / unit), using: &generator)
        let start: Int
        switch Int.random(in: 0..<8, using: &generator) {
        case 0: start = 0
        case 1: start = max(0, places - length)
        case 2:
            let border = Int.random(in: 0...size >> 21, using: &generator) << 21
            start = max(0, min(places - 1, border / unit - length / 2))
        default: start = Int.random(in: 0..<places, using: &generator)
        }
        return start * unit..<min(start + length, places) * unit
    }

    /// One request.
    ///
    /// - Parameter mayReopen: not before the parents are sealed, which only the chain that holds them can do.
    mutating func step(mayReopen: Bool = true) throws {
        switch Int.random(in: 0..<100, using: &generator) {
        case 0..<55:
            let range = range(upTo: 96 << 10)
            let bytes = generator.bytes(range.count)
            try chain.write(bytes, at: UInt64(range.lowerBound))
            model.replaceSubrange(range, with: bytes)
        case 55..<70:
            let range = range(upTo: Bool.random(using: &generator) ? longestZeros : 8 << 10)
            try chain.writeZeroes(UInt64(range.lowerBound)..<UInt64(range.upperBound))
            model.replaceSubrange(range, with: Array(repeating: 0, count: range.count))
        case 70..<78:
            let range = range(upTo: 1 << 20)
            try chain.discard(UInt64(range.lowerBound)..<UInt64(range.upperBound))
            // What it reads as is the disk's choice, but it must stay by it.
            model.replaceSubrange(range, with: try chain.bytes(at: UInt64(range.lowerBound), count: range.count))
        case 78..<95:
            let range = range(upTo: 512 << 10)
            let found = try chain.bytes(at: UInt64(range.lowerBound), count: range.count)
            try #require(found.isSame(as: model[range]), "read of \(range)")
        case 95..<98:
            try chain.flush()
        default:
            if mayReopen { try reopen() } else { try chain.flush() }
        }
    }

    mutating func reopen() throws {
        try chain.close()
        chain = try DiskChain.open(leaf, beneath: folder.path, access: .readWrite)
    }

    /// Grows the chain, with the parent in use or at rest.
    mutating func addChild(_ number: Int) throws {
        let child = folder.appending("web/Snapshots/child-\(number).a\(format)")
        if Bool.random(using: &generator) {
            try format.createChild(at: child, of: leaf)
            // The parent may still be written between.
            try chain.write([UInt8](model[0..<unit]), at: 0)
            let extended = try chain.extended(byChildAt: child)
            sealed.append((leaf, model))
            let old = chain
            chain = extended
            leaf = child
            if Bool.random(using: &generator) { for _ in 0..<5 { try step(mayReopen: false) } }
            try chain.sealParents()
            #expect(throws: StorageError.self) { try old.write([1], at: 0) }
        } else {
            try chain.close()
            try format.createChild(at: child, of: leaf)
            sealed.append((leaf, model))
            leaf = child
            chain = try DiskChain.open(child, beneath: folder.path, access: .readWrite)
        }
    }

    /// Reads everything back by this module, in odd pieces, and checks the extents.
    mutating func checkWhole() throws {
        var position = 0
        while position < size {
            let count = min(Int.random(in: 1...(3 << 20), using: &generator), size - position)
            let found = try chain.bytes(at: UInt64(position), count: count)
            try #require(found.isSame(as: model[position..<position + count]), "read at \(position)")
            position += count
        }
        var offset: UInt64 = 0
        while offset < UInt64(size) {
            let extents = try chain.extents(in: offset..<UInt64(size))
            try #require(!extents.isEmpty)
            for extent in extents {
                try #require(extent.range.lowerBound == offset && !extent.range.isEmpty)
                offset = extent.range.upperBound
                guard extent.kind == .hole else { continue }
                let hole = model[Int(extent.range.lowerBound)..<Int(extent.range.upperBound)]
                try #require(Array(repeating: 0, count: hole.count).isSame(as: hole), "hole \(extent.range)")
            }
        }
    }
}

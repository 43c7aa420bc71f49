// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import Foundation
import StorageTestSupport
import SystemPackage
import Testing
import VirtualDisk

/// Disks that grow from one another, and what each of them must read as, kept as plain bytes in memory.
///
/// ```
///  base ◄── child ◄── child ◄── child        another base, converted from any disk
///             ▲
///             └────── sibling ◄── child
/// ```
///
/// The seed alone decides what is done to them.
struct DiskForest {
    /// One disk, and what it must read as.
    struct Disk {
        let path: FilePath
        let format: DiskFormat
        let sectorSize: Int
        /// The number of the disk from which it grew.
        var parent: Int?
        var content: [UInt8]
        /// Why libvhdi may read it wrongly.
        var traps: Set<Trap> = []
    }

    /// What libvhdi does not get right.
    enum Trap {
        /// Where a child says that a whole block is zeros, it reads the parent's.
        case hiddenBlock
        /// Of a child without a block for bitmaps it takes the file's first bytes for one.
        case noBitmap
        /// It takes the size that a VHD was made with for the one that it has.
        case resized
    }

    /// What went wrong, and all that was done before.
    struct Failure: Error, CustomStringConvertible {
        var description: String
    }

    static let mostDisks: Int = 12
    static let mostLayers: Int = 8

    let seed: UInt64
    let folder: TemporaryFolder
    /// Whether all requests are multiples of 4 KiB, as libvhdi needs them to read a VHD rightly.
    let isAligned: Bool
    /// What offsets and lengths of requests are multiples of.
    let unit: Int
    /// What sizes are multiples of.
    let alignment: Int
    var generator: SeededGenerator
    var disks: [Int: Disk] = [:]
    /// The chains that are open for writing, by their leaves.
    var opened: [Int: DiskChain] = [:]
    var steps: [String] = []
    private var count = 0

    init(seed: UInt64) throws {
        self.seed = seed
        folder = try TemporaryFolder()
        try folder.makeFolder("web/Snapshots")
        generator = SeededGenerator(seed: seed)
        isAligned = seed % 3 == 0
        unit = isAligned ? 4096 : seed % 4 == 1 ? 1 : 512
        let format: DiskFormat = seed % 2 == 0 ? .vhd : .vhdx
        let sectorSize = format == .vhdx && seed % 7 == 3 ? 4096 : 512
        // 7-Zip refuses a VHDX with an odd number of sectors, for it tests one bit of the size in place of those below.
        alignment = format == .vhdx ? 2 * max(sectorSize, unit) : max(512, unit)
        try plant(format, sectorSize)
    }

    /// Makes the first disk: of any size, kind and size of blocks.
    private mutating func plant(_ format: DiskFormat, _ sectorSize: Int) throws {
        let size = Int.random(in: (3 << 20)..<(8 << 20), using: &generator) / alignment * alignment
        let kind: DiskKind = generator.chance(25) ? .fixed : .dynamic
        let path = newPath(format, isChild: false)
        try format.create(at: path, size: UInt64(size), kind: kind)
        let blockSize =
            (kind == .fixed ? 2 << 20 : generator.pick([1 << 20, 2 << 20, 4 << 20], or: 0))
            / (format == .vhd ? 2 : 1)
        try DiskShape.change(path, format, blockSize: blockSize, sectorSize)
        tell("create \(path.lastComponent ?? "") \(kind) \(size) blocks \(blockSize) sectors \(sectorSize)")
        disks[count] = Disk(
            path: path, format: format, sectorSize: sectorSize, content: [UInt8](repeating: 0, count: size))
    }

    /// A place for the next disk, which has the number ``newest`` from then on.
    mutating func newPath(_ format: DiskFormat, isChild: Bool) -> FilePath {
        count += 1
        let place = generator.chance(50) ? "web/Snapshots" : "web"
        return folder.appending("\(place)/d\(count).\(isChild ? "a" : "")\(format)")
    }

    /// The number of the disk that was made last.
    var newest: Int { count }

    mutating func tell(_ step: String) {
        steps.append(step)
    }

    /// All that was done, for a message.
    var story: String {
        "seed \(seed) (run it alone with FERMATA_SEED=\(seed)):\n" + steps.joined(separator: "\n")
    }

    func check(_ isTrue: Bool, _ message: @autoclosure () -> String) throws {
        guard !isTrue else { return }
        throw Failure(description: message())
    }
}

extension DiskForest {
    var numbers: [Int] { disks.keys.sorted() }

    var leaves: [Int] { numbers.filter { children(of: $0).isEmpty } }

    func disk(_ number: Int) throws -> Disk { try #require(disks[number]) }

    func name(_ number: Int) -> String { disks[number]?.path.lastComponent?.string ?? "nothing" }

    func children(of number: Int) -> [Int] { numbers.filter { disks[$0]?.parent == number } }

    /// The disk and its ancestors, down to the base.
    func chain(of number: Int) -> [Int] {
        Array(sequence(first: number) { self.disks[$0]?.parent ?? nil })
    }

    mutating func pick(_ numbers: [Int]) -> Int { generator.pick(numbers, or: 0) }
}

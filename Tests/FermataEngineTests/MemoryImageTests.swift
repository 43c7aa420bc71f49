// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import Foundation
import StorageTestSupport
import SystemPackage
import Testing

@testable import FermataEngine

struct MemoryImageTests {
    static let pages = 1024

    /// A memory of 4 MiB: the mapped image, some changed pages over it, and what both make together.
    struct Sample {
        var base: [UInt8]
        var runs: [PageRun]
        var changed: [UInt8]
        var expected: [UInt8]

        init(seed: UInt64) {
            var random = SplitMix(seed: seed)
            base = [UInt8](repeating: 0, count: pages * 4096)
            for _ in 0..<Int.random(in: 0...40, using: &random) {
                let page = Int.random(in: 0..<pages, using: &random)
                for index in 0..<4096 { base[page * 4096 + index] = UInt8.random(in: 0...255, using: &random) }
            }
            expected = base
            runs = []
            changed = []
            var page = Int.random(in: 0..<64, using: &random)
            while page < pages {
                let count = min(Int.random(in: 1...300, using: &random), pages - page)
                runs.append(PageRun(first: page, count: count))
                for changedPage in page..<page + count {
                    // Every third page becomes zero: it must vanish from the image.
                    let byte: UInt8 = changedPage % 3 == 0 ? 0 : UInt8.random(in: 1...255, using: &random)
                    changed += [UInt8](repeating: byte, count: 4096)
                    expected.replaceSubrange(
                        changedPage * 4096..<(changedPage + 1) * 4096, with: [UInt8](repeating: byte, count: 4096))
                }
                page += count + Int.random(in: 1...200, using: &random)
            }
        }

        func write(in folder: TemporaryFolder) throws -> MemoryImage {
            try folder.write(base, to: "base")
            let path = folder.path.appending("m.bin")
            let file = try PageFile(reading: folder.path.appending("base"))
            let digest = try unsafe changed.withUnsafeBytes { pages in
                try unsafe MemoryImage.write(to: path, base: file, changed: runs, pages: pages)
            }
            let image = try MemoryImage(reading: path)
            #expect(image.digest == digest)
            return image
        }
    }

    @Test(arguments: 1...12)
    func `an image holds the mapped image with the changed pages`(seed: UInt64) throws {
        let folder = try TemporaryFolder()
        let sample = Sample(seed: seed)
        let image = try sample.write(in: folder)
        try image.expand(into: PageFile(creating: folder.path.appending("flat")))
        #expect(try folder.bytes(of: "flat") == sample.expected, "seed \(seed)")
        let zeros = (0..<Self.pages).filter { page in
            sample.expected[page * 4096..<(page + 1) * 4096].allSatisfy { $0 == 0 }
        }
        #expect(image.runs.reduce(0) { $0 + $1.count } == Self.pages - zeros.count, "seed \(seed)")
    }

    @Test(arguments: 1...12)
    func `any runs of an image read as the memory was`(seed: UInt64) throws {
        let folder = try TemporaryFolder()
        let sample = Sample(seed: seed)
        let image = try sample.write(in: folder)
        var random = SplitMix(seed: seed)
        for _ in 0..<20 {
            let wanted = [PageRun].random(below: Self.pages, using: &random)
            var bytes = [UInt8](repeating: 0xEE, count: wanted.byteCount)
            try unsafe bytes.withUnsafeMutableBytes { try unsafe image.read(wanted, into: $0) }
            let expected = wanted.flatMap { sample.expected[$0.first * 4096..<$0.end * 4096] }
            #expect(bytes == expected, "seed \(seed), \(wanted)")
        }
    }

    @Test(arguments: 1...12)
    func `the difference of two lists of runs is that of their pages`(seed: UInt64) {
        var random = SplitMix(seed: seed)
        for _ in 0..<200 {
            let all = [PageRun].random(below: 60, using: &random)
            let others = [PageRun].random(below: 60, using: &random)
            let rest = all.subtracting(others)
            let expected = Set(all.flatMap { $0.first..<$0.end }).subtracting(others.flatMap { $0.first..<$0.end })
            #expect(rest.flatMap { $0.first..<$0.end } == expected.sorted(), "seed \(seed): \(all) - \(others)")
            #expect(rest.allSatisfy { $0.count > 0 }, "seed \(seed): \(all) - \(others)")
        }
    }

    @Test func `a memory of zeros takes a header only`() throws {
        let folder = try TemporaryFolder()
        try folder.write([UInt8](repeating: 0, count: 1 << 20), to: "base")
        let base = try PageFile(reading: folder.path.appending("base"))
        let path = folder.path.appending("m.bin")
        _ = try unsafe MemoryImage.write(
            to: path, base: base, changed: [], pages: UnsafeRawBufferPointer(start: nil, count: 0))
        #expect(try MemoryImage(reading: path).runs.isEmpty)
        #expect(try folder.bytes(of: "m.bin").count == MemoryImage.headerSize)
    }

    @Test(arguments: [0, 8, 12, 16, 24, 32, 60, 90, 120, 151, 4096, 5000, -1, -9])
    func `a flipped bit is refused before anything is used`(offset: Int) throws {
        let folder = try TemporaryFolder()
        _ = try Sample(seed: 3).write(in: folder)
        var bytes = try folder.bytes(of: "m.bin")
        bytes[offset < 0 ? bytes.count + offset : offset] ^= 0x10
        try folder.write(bytes, to: "m.bin")
        let error = #expect(throws: EngineError.self) {
            try MemoryImage(reading: folder.path.appending("m.bin"))
                .expand(into: PageFile(creating: folder.path.appending("flat")))
        }
        #expect(error?.code == .damaged)
    }

    @Test func `a cut image is refused`() throws {
        let folder = try TemporaryFolder()
        _ = try Sample(seed: 5).write(in: folder)
        let bytes = try folder.bytes(of: "m.bin")
        for length in [0, 1, 151, 4095, 4096, bytes.count - 1] {
            try folder.write(Array(bytes[..<length]), to: "m.bin")
            #expect(throws: EngineError.self) { try MemoryImage(reading: folder.path.appending("m.bin")) }
        }
    }
}

extension [PageRun] {
    /// Some runs in order, which may touch each other.
    fileprivate static func random(below limit: Int, using random: inout SplitMix) -> [PageRun] {
        var runs: [PageRun] = []
        var page = Int.random(in: 0...limit / 4, using: &random)
        while page < limit {
            runs.append(
                PageRun(first: page, count: Int.random(in: 1...Swift.min(limit / 4, limit - page), using: &random)))
            page += runs[runs.count - 1].count + Int.random(in: 0...limit / 4, using: &random)
        }
        return runs
    }
}

struct SavedStateTests {
    static let traits = MachineTraits(
        hypervisor: "QEMU 7.2.22", accelerator: "tcg", machineType: "pc-q35-7.2", processor: "max", processors: 1,
        memory: 1 << 28, devices: "aa")

    static func sample() -> SavedState {
        SavedState(
            description: .init(
                machine: .random(), checkpoint: .random(), traits: traits, disks: ["system=A.vhd"],
                memoryDigest: "00", clockBase: 7),
            devices: Array(0...255), console: Array("tick 1\r\n".utf8))
    }

    @Test func `a state reads back as it was written`() throws {
        let folder = try TemporaryFolder()
        let state = Self.sample()
        try folder.write(state.encoded(), to: "s.vsv")
        #expect(try SavedState(reading: folder.path.appending("s.vsv")) == state)
    }

    @Test func `every flipped byte and every cut is refused`() throws {
        let folder = try TemporaryFolder()
        let bytes = try Self.sample().encoded()
        for index in bytes.indices {
            var damaged = bytes
            damaged[index] ^= 0x21
            try folder.write(damaged, to: "s.vsv")
            #expect(throws: EngineError.self) { try SavedState(reading: folder.path.appending("s.vsv")) }
        }
        for length in stride(from: 0, to: bytes.count, by: 11) {
            try folder.write(Array(bytes[..<length]), to: "s.vsv")
            #expect(throws: EngineError.self) { try SavedState(reading: folder.path.appending("s.vsv")) }
        }
    }

    @Test func `what differs from a machine is named`() {
        let state = Self.sample()
        #expect(state.mismatch(with: Self.traits) == nil)
        var other = Self.traits
        other.processor = "qemu64"
        #expect(state.mismatch(with: other) == "processor: the checkpoint has max, this machine has qemu64")
        other = Self.traits
        other.devices = "bb"
        #expect(state.mismatch(with: other)?.hasPrefix("devices") == true)
    }
}

/// A small generator whose sequence its seed decides.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    init(seed: UInt64) {
        state = seed
    }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
        return value ^ value >> 31
    }
}

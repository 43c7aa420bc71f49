// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import Foundation
import StorageTestSupport
import SystemPackage
import Testing
import VirtualDisk

extension DiskForest {
    /// Reads every disk back by this module, in odd pieces, and checks its extents and structures.
    mutating func checkAll() throws {
        try closeAll()
        for number in numbers {
            let disk = try disk(number)
            let open = try DiskChain.open(disk.path, beneath: folder.path)
            let layers = chain(of: number).compactMap { disks[$0]?.path }
            try check(open.layers.map(\.path) == layers, "\(name(number)) reads through \(open.layers.map(\.path))")
            try check(open.warnings.isEmpty, "\(name(number)): \(open.warnings)")
            try checkContent(of: open, disk)
            try checkExtents(of: open, disk)
            guard disk.format != .raw else { continue }
            let problems = try DiskCheck.check(disk.path, beneath: folder.path).problems
            try check(problems.isEmpty, "\(name(number)): \(problems)")
        }
        let files = FileManager.default.enumerator(atPath: folder.path.string)?.compactMap { $0 as? String } ?? []
        let left = Set(files.filter { $0.contains(".") }.map { folder.appending($0) })
        try check(left == Set(disks.values.map(\.path)), "these files are there: \(left)")
    }

    private mutating func checkContent(of open: DiskChain, _ disk: Disk) throws {
        let name = disk.path.lastComponent?.string ?? ""
        try check(open.size == UInt64(disk.content.count), "\(name) has \(open.size) bytes")
        var position = 0
        while position < disk.content.count {
            let longest = min(3 << 20, disk.content.count - position)
            let count = Int.random(in: 1...longest, using: &generator)
            let found = try open.bytes(at: UInt64(position), count: count)
            let isSame = found.isSame(as: disk.content[position..<position + count])
            try check(isSame, "\(name) reads as something else in \(position)..<\(position + count)")
            position += count
        }
    }

    private func checkExtents(of open: DiskChain, _ disk: Disk) throws {
        var offset: UInt64 = 0
        while offset < open.size {
            let extents = try open.extents(in: offset..<open.size)
            try check(!extents.isEmpty, "there are no extents from \(offset) on")
            for extent in extents {
                try check(extent.range.lowerBound == offset && !extent.range.isEmpty, "\(extent) at \(offset)")
                offset = extent.range.upperBound
                guard extent.kind == .hole else { continue }
                let hole = disk.content[Int(extent.range.lowerBound)..<Int(extent.range.upperBound)]
                let zeros = [UInt8](repeating: 0, count: hole.count)
                try check(zeros.isSame(as: hole), "what is in \(extent) is no hole")
            }
        }
    }

    /// Lets other programs read every disk that they understand.
    func expectOthersAgree(_ outside: OutsideReader) async throws {
        for number in numbers { try await expectOthersAgree(on: number, outside, story) }
    }

    /// Lets other programs read one disk.
    func expectOthersAgree(on number: Int, _ outside: OutsideReader, _ story: String = "") async throws {
        let disk = try disk(number)
        let chain = chain(of: number)
        let paths = chain.compactMap { disks[$0]?.path }
        let comment = "of \(name(number)), \(story)"
        guard disk.format != .raw else {
            let bytes = FileManager.default.contents(atPath: disk.path.string)
            try check(bytes.map { [UInt8]($0).isSame(as: disk.content) } == true, "\(name(number)) is no raw file")
            return
        }
        // For 7-Zip, one bit of a VHDX's size stands for those below it.
        if disk.format == .vhd || disk.content.count & disk.sectorSize == 0 {
            try await outside.expectSevenZip(paths, reads: disk.content, comment)
        }
        if chain.count == 1, disk.sectorSize == 512 {
            try await outside.expectQEMU(disk.path, reads: disk.content, comment)
        }
        let isSupported = disk.format == .vhdx ? OutsideReader.hasPyVHDI : OutsideReader.hasLibVHDI && isAligned
        if isSupported, chain.allSatisfy(isReadByLibVHDI) {
            try await outside.expectLibVHDI(paths, reads: disk.content, comment)
        }
    }

    private func isReadByLibVHDI(_ number: Int) -> Bool {
        guard let disk = disks[number] else { return false }
        return disk.parent == nil ? !disk.traps.contains(.resized) : disk.traps.isEmpty
    }
}

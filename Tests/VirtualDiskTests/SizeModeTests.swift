// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import StorageTestSupport
import SystemPackage
import Testing

@testable import VirtualDisk

struct SizeModeTests {
    let folder: TemporaryFolder
    /// The size in bytes, and what the geometry addresses.
    private static let current: UInt64 = 64 << 20
    private static let geometry: UInt64 = 67_055_616

    init() throws {
        folder = try TemporaryFolder()
    }

    private func disk(_ name: String, by creator: String, kind: DiskKind = .dynamic) throws -> FilePath {
        let path = folder.appending(name)
        try VHD.create(at: path, size: Self.current, kind: kind)
        let chain = try DiskChain.open(path, beneath: folder.path, access: .readWrite)
        try chain.write([7], at: Self.current - 1)
        try chain.close()
        try claim(path, creator)
        return path
    }

    /// Lets another program have made the disk.
    private func claim(_ path: FilePath, _ creator: String) throws {
        var disk = try VHDBytes(path)
        let isFixed = !disk.bytes[0..<8].elementsEqual("conectix".utf8)
        for footer in isFixed ? [disk.footer] : [0, disk.footer] {
            disk.bytes.replaceSubrange(footer + 28..<footer + 32, with: creator.utf8)
        }
        disk.sum()
        try FileStore(opening: path, access: .readWrite).write(disk.bytes, at: 0)
    }

    @Test(arguments: ["win ", "vpc "], [DiskKind.dynamic, .fixed])
    func `a disk has the size that is asked for`(creator: String, kind: DiskKind) throws {
        let path = try disk("a.vhd", by: creator, kind: kind)
        let meant = creator == "vpc " ? Self.geometry : Self.current
        for (mode, size) in [(DiskSizeMode.auto, meant), (.current, Self.current), (.geometry, Self.geometry)] {
            let chain = try DiskChain.open(path, beneath: folder.path, sizeMode: mode)
            #expect(chain.size == size, "\(mode)")
            #expect(chain.warnings.map(\.kind) == (mode == .auto && creator == "vpc " ? [.sizeFromGeometry] : []))
            #expect(try DiskInfo.inspect(path, beneath: folder.path, sizeMode: mode).size == size)
            #expect(try DiskCheck.check(path, beneath: folder.path, sizeMode: mode).problems == [])
            if size == Self.current { #expect(try chain.bytes(at: size - 1, count: 1) == [7]) }
            let before = try VHDBytes(path).bytes
            if size == meant {
                _ = try DiskChain.open(path, beneath: folder.path, access: .readWrite, sizeMode: mode)
            } else {
                let error = #expect(throws: DiskError.self) {
                    try DiskChain.open(path, beneath: folder.path, access: .readWrite, sizeMode: mode)
                }
                #expect(error?.code == .invalidArgument && error?.expected == "\(meant)")
            }
            #expect(try VHDBytes(path).bytes.isSame(as: before))
        }
    }

    @Test func `the mode goes for the whole chain`() throws {
        let base = try disk("base.vhd", by: "win ")
        let child = folder.appending("child.avhd")
        try VHD.createChild(at: child, of: base)
        try claim(child, "vpc ")
        // Its maker means another size than the parent's.
        let error = #expect(throws: DiskError.self) { try DiskChain.open(child, beneath: folder.path) }
        #expect(error?.code == .sizeMismatch)
        for (mode, size) in [(DiskSizeMode.current, Self.current), (.geometry, Self.geometry)] {
            let chain = try DiskChain.open(child, beneath: folder.path, sizeMode: mode)
            #expect(chain.size == size && chain.layers.count == 2)
            let copy = folder.appending("\(mode.rawValue).vhd")
            #expect(try DiskConversion.convert(chain, to: copy, format: .vhd).size == size)
            #expect(try DiskDifference(chain, DiskChain.open(copy, beneath: folder.path)).isEmpty)
        }
    }

    @Test func `a repair leaves blocks alone that the size hides`() throws {
        let path = folder.appending("a.vhd")
        let size: UInt64 = 8 << 20 + 512
        try VHD.create(at: path, size: size)
        let chain = try DiskChain.open(path, beneath: folder.path, access: .readWrite)
        try chain.write([7], at: size - 1)
        try chain.close()
        try claim(path, "vpc ")
        #expect(try DiskChain.open(path, beneath: folder.path).size < 8 << 20)
        #expect(try DiskCheck.repair(path, beneath: folder.path).repaired == [])
        let read = try DiskChain.open(path, beneath: folder.path, sizeMode: .current)
        #expect(try read.bytes(at: size - 1, count: 1) == [7])
    }

    @Test func `a geometry of nothing says nothing`() throws {
        let path = try disk("a.vhd", by: "vpc ")
        var bytes = try VHDBytes(path)
        bytes.putInFooters(0 as UInt32, at: 56)
        bytes.sum()
        try FileStore(opening: path, access: .readWrite).write(bytes.bytes, at: 0)
        #expect(try DiskChain.open(path, beneath: folder.path).size == Self.current)
        let error = #expect(throws: DiskError.self) {
            try DiskChain.open(path, beneath: folder.path, sizeMode: .geometry)
        }
        #expect(error?.field == "geometry")
    }

    @Test(arguments: [DiskFormat.vhdx, .raw])
    func `only a VHD has two sizes`(format: DiskFormat) throws {
        let path = folder.appending("a.\(format)")
        try format.create(at: path, size: 1 << 20)
        _ = try DiskChain.open(path, beneath: folder.path, sizeMode: .auto)
        let error = #expect(throws: DiskError.self) {
            try DiskChain.open(path, beneath: folder.path, sizeMode: .current)
        }
        #expect(error?.code == .invalidArgument)
    }

    @Test func `a disk that is resized has the size that was asked for`() throws {
        let path = folder.appending("a.vhd")
        try VHD.create(at: path, size: Self.geometry)
        try claim(path, "vpc ")
        try DiskResizing.resize(path, to: 80 << 20, beneath: folder.path)
        let chain = try DiskChain.open(path, beneath: folder.path)
        #expect(chain.size == 80 << 20)
    }

    @Test(arguments: [DiskKind.dynamic, .fixed])
    func `what the geometry hides is lost by no resizing and no compacting`(kind: DiskKind) throws {
        let path = try disk("a.vhd", by: "qemu", kind: kind)
        let before = try VHDBytes(path).bytes
        let error = #expect(throws: DiskError.self) {
            try DiskResizing.resize(path, to: 128 << 20, beneath: folder.path)
        }
        #expect(error?.field == "current size")
        #expect(try VHDBytes(path).bytes.isSame(as: before))
        if kind == .dynamic { _ = try DiskCompaction.compact(path, beneath: folder.path) }
        let whole = try DiskChain.open(path, beneath: folder.path, sizeMode: .current)
        #expect(try whole.bytes(at: Self.current - 1, count: 1) == [7])
    }
}

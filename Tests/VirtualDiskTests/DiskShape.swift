// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import SystemPackage
import VirtualDisk

/// Gives new dynamic disks what others' programs choose and this module does not.
enum DiskShape {
    /// Changes the sizes of blocks and sectors of a disk that has nothing yet.
    static func change(_ path: FilePath, _ format: DiskFormat, blockSize: Int, _ sectorSize: Int) throws {
        let bytes: [UInt8]
        if format == .vhdx {
            var disk = try VHDXBytes(path)
            disk.put(UInt32(blockSize), at: disk.place(of: .fileParameters))
            disk.put(UInt32(sectorSize), at: disk.place(of: .sectorSize))
            bytes = disk.bytes
        } else {
            var disk = try VHDBytes(path)
            guard disk.bytes[VHDBytes.header..<VHDBytes.header + 8].elementsEqual("cxsparse".utf8) else { return }
            let blocks = (Int(try DiskChain.open(path, beneath: path.removingLastComponent()).size) - 1) / blockSize + 1
            disk.put(UInt32(blocks), at: VHDBytes.header + 28)
            disk.put(UInt32(blockSize), at: VHDBytes.header + 32)
            disk.sum()
            bytes = disk.bytes
        }
        try FileStore(opening: path, access: .readWrite).write(bytes, at: 0)
    }
}

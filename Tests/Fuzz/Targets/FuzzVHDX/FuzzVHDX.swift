// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import FuzzSupport
import Hashing

@testable import VirtualDisk

/// The parts of a file that an input is made of, one after the other; everything else is a hole.
///
/// ```
///  signature  headers      region tables   log      metadata table, items   block table
///  0          64K, 128K    192K, 256K      1M, ...  2M, 2M + 64K            3M
/// ```
private let areas: [(offset: UInt64, count: Int)] = [
    (0, 64), (64 << 10, 96), (128 << 10, 96), (192 << 10, 96), (256 << 10, 96), (1 << 20, 8192), (2 << 20, 256),
    (2 << 20 | 64 << 10, 512), (3 << 20, 64),
]

/// Any file is a disk, or is refused without being changed; what is a disk stays one when it is written.
///
/// The first byte says which checksums are made right before, and whether the disk is written.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    guard count > 64 else { return 0 }
    let choice = unsafe start[0]
    let file = SparseFile(length: 8 << 20)
    var position = 1
    for area in areas where position < count {
        let length = min(area.count, count - position)
        let bytes = unsafe Array(UnsafeBufferPointer(start: start + position, count: length))
        try? file.write(bytes, at: area.offset)
        position += length
    }
    correct(file, choice)
    let before = file.pages
    let folder = SparseFolder(file)
    if let chain = try? DiskChain.open(["leaf.vhdx"], in: folder, access: .readOnly) {
        read(chain)
    }
    precondition(file.pages == before)
    guard choice & 8 != 0 else { return 0 }
    guard let chain = try? DiskChain.open(["leaf.vhdx"], in: folder, access: .readWrite) else { return 0 }
    let data = [UInt8](repeating: 7, count: 4096)
    for part in 0..<4 as Range<UInt64> where chain.size >= 8192 {
        let offset = (chain.size - 4096) / 4 * part / 4096 * 4096
        try? unsafe chain.write(data.span.bytes, at: offset)
    }
    try? chain.writeZeroes(0..<min(chain.size, 65536) / 4096 * 4096)
    try? chain.discard(0..<min(chain.size, 65536) / 4096 * 4096)
    read(chain)
    if (try? chain.close()) != nil {
        precondition((try? DiskChain.open(["leaf.vhdx"], in: folder, access: .readOnly)) != nil)
    }
    return 0
}

private func correct(_ file: SparseFile, _ choice: UInt8) {
    var ranges: [(offset: UInt64, count: Int)] = []
    if choice & 1 != 0 { ranges += [(64 << 10, 4096), (128 << 10, 4096)] }
    if choice & 2 != 0 { ranges += [(192 << 10, 65536), (256 << 10, 65536)] }
    if choice & 4 != 0 {
        for offset in [1 << 20, 1 << 20 | 4096] as [UInt64] {
            guard let head = try? file.bytes(at: offset, count: 12) else { continue }
            let length = head[8..<12].reversed().reduce(0) { $0 << 8 | Int($1) }
            if length >= 4096, length <= 65536 { ranges.append((offset, length)) }
        }
    }
    for (offset, count) in ranges {
        guard let bytes = try? file.bytes(at: offset, count: count) else { continue }
        try? file.write(CRC32C.checksum(bytes, fieldAt: 4).littleEndianBytes, at: offset + 4)
    }
}

private func read(_ chain: DiskChain) {
    _ = chain.layers
    var buffer = [UInt8](repeating: 0, count: 4096)
    for part in 0..<8 as Range<UInt64> where chain.size >= 8192 {
        var span = buffer.mutableSpan
        var bytes = unsafe span.mutableBytes
        try? chain.read(into: &bytes, at: (chain.size - 4096) / 8 * part / 4096 * 4096)
    }
    _ = try? chain.extents(in: 0..<min(chain.size, 64 << 20))
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import FuzzSupport
import Synchronization

@testable import VirtualDisk

/// Any file is a disk, or is refused without being changed; what is a disk stays one when it is written.
///
/// The first byte says which checksums are made right before, and whether the disk is written. The input is a leaf whose
/// parent, if it has one, may be `base.vhd`: the disk that all seeds grow from, which is the input's own copy.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    guard count > 1024 + 512 else { return 0 }
    let choice = unsafe start[0]
    var bytes = unsafe Array(UnsafeBufferPointer(start: start + 1, count: count - 1))
    correct(&bytes, choice)
    let files = MemoryFiles(["leaf.vhd": bytes, "base.vhd": base(of: bytes)])
    if let chain = try? DiskChain.open(["leaf.vhd"], in: files, access: .readOnly, format: .vhd) {
        read(chain)
    }
    precondition(files.files.withLock { $0["leaf.vhd"] == bytes })
    guard choice & 8 != 0 else { return 0 }
    guard let chain = try? DiskChain.open(["leaf.vhd"], in: files, access: .readWrite, format: .vhd) else {
        precondition(files.files.withLock { $0["leaf.vhd"] == bytes })
        return 0
    }
    write(chain)
    if (try? chain.close()) != nil {
        precondition((try? DiskChain.open(["leaf.vhd"], in: files, access: .readOnly, format: .vhd)) != nil)
    }
    return 0
}

private func correct(_ bytes: inout [UInt8], _ choice: UInt8) {
    if choice & 1 != 0 {
        Sums.correct(&bytes, bytes.count - 512..<bytes.count, fieldAt: bytes.count - 512 + 64)
    }
    if choice & 2 != 0 { Sums.correct(&bytes, 0..<512, fieldAt: 64) }
    if choice & 4 != 0 { Sums.correct(&bytes, 512..<1536, fieldAt: 512 + 36) }
}

/// A fixed disk with the size and the identity that a child in the input asks of its parent.
private func base(of bytes: [UInt8]) -> [UInt8] {
    let size = bytes[bytes.count - 512 + 48..<bytes.count - 512 + 56].reduce(0 as UInt64) { $0 << 8 | UInt64($1) }
    guard size > 0, size <= 1 << 20, size % 512 == 0 else { return [] }
    let identity = DiskIdentity(unchecked: Array(bytes[512 + 40..<512 + 56]))
    guard let footer = try? VHDFooter(type: .fixed, size: size, identity: identity, timestamp: 0) else { return [] }
    return [UInt8](repeating: 0x5A, count: Int(size)) + footer.encoded
}

private func read(_ chain: DiskChain) {
    _ = chain.layers
    var buffer = [UInt8](repeating: 0, count: 4096)
    for part in 0..<8 as Range<UInt64> {
        let offset = chain.size / 8 * part / 512 * 512
        let count = Int(min(4096, chain.size - offset))
        var span = buffer.mutableSpan
        var bytes = unsafe span.mutableBytes
        var piece = bytes._mutatingExtracting(first: count)
        try? chain.read(into: &piece, at: offset)
    }
    _ = try? chain.extents(in: 0..<chain.size)
}

private func write(_ chain: DiskChain) {
    let data = [UInt8](repeating: 7, count: 4096)
    for part in 0..<4 as Range<UInt64> {
        let offset = chain.size / 4 * part / 512 * 512
        let count = Int(min(4096, chain.size - offset))
        try? unsafe chain.write(data.span.bytes.extracting(first: count), at: offset)
    }
    try? chain.writeZeroes(0..<min(chain.size, 65536))
    try? chain.discard(0..<min(chain.size, 65536))
    read(chain)
}

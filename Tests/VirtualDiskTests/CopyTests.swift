// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import Foundation
import StorageTestSupport
import SystemPackage
import Testing

@testable import VirtualDisk

/// A copy reads ahead of what it writes, on a thread of its own, and either side may fail.
struct CopyTests {
    private static let size: UInt64 = 14 << 20

    /// A disk of several pieces, all of it data, as the files of a tree.
    private static func files(_ name: String, filled: Bool) throws -> [String: [UInt8]] {
        let folder = try TemporaryFolder()
        let path = folder.appending(name)
        try DiskFormat.vhd.create(at: path, size: size)
        if filled {
            let disk = try DiskChain.open(path, beneath: folder.path, access: .readWrite)
            try disk.write([UInt8](repeating: 7, count: Int(size)), at: 0)
            try disk.close()
        }
        return [name: Array(try Data(contentsOf: URL(fileURLWithPath: path.string)))]
    }

    @Test func `a copy that fails anywhere ends, whatever was read ahead`() throws {
        let (full, empty) = (try Self.files("full.vhd", filled: true), try Self.files("empty.vhd", filled: false))
        /// Copies, and lets the calls of one tree fail from one on; tells how many calls that tree got.
        func copy(_ call: Int?, failing isSource: Bool) throws -> Int {
            let (from, to) = (RecordingTree(full), RecordingTree(empty))
            let source = try DiskChain.open(["full.vhd"], in: from, access: .readOnly)
            let target = try DiskChain.open(["empty.vhd"], in: to, access: .readWrite)
            let tree = isSource ? from : to
            let before = tree.calls
            if let call { tree.fail(.init(call: before + call, errno: .noSpace, lasts: true)) }
            _ = try DiskCopy(source: source, target: target.leaf).run(nil)
            #expect(try target.bytes(at: 0, count: Int(Self.size)).allSatisfy { $0 == 7 })
            return tree.calls - before
        }
        for isSource in [true, false] {
            let calls = try copy(nil, failing: isSource)
            // Reads need not be counted as calls, but then nothing of the source can be let fail.
            for call in stride(from: 1, through: calls, by: max(1, calls / 12)) where calls > 7 {
                #expect(throws: (any Error).self, "call \(call) of \(calls)") {
                    try copy(call, failing: isSource)
                }
            }
            if !isSource { #expect(calls > 7) }
        }
    }
}

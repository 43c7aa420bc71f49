// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import Foundation
import Glibc
import StorageTestSupport
import SystemPackage
import Testing

struct FileStoreTests {
    let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
    }

    @Test func `what is written is read back and survives reopening`() throws {
        let path = folder.appending("a")
        do {
            let store = try FileStore(creating: path)
            try store.write([1, 2, 3, 4], at: 1000)
            try store.synchronize()
            #expect(try store.length() == 1004)
        }
        let store = try FileStore(opening: path, access: .readOnly)
        #expect(try store.bytes(at: 998, count: 6) == [0, 0, 1, 2, 3, 4])
    }

    @Test func `a read beyond the end is short and a whole read of it is corrupt`() throws {
        let store = try FileStore(creating: folder.appending("a"))
        try store.write([UInt8](repeating: 7, count: 10), at: 0)
        var bytes = [UInt8](repeating: 0, count: 16)
        var span = bytes.mutableSpan
        var raw = unsafe span.mutableBytes
        #expect(try store.read(into: &raw, at: 4) == 6)
        #expect(throws: StorageError.self) { try store.bytes(at: 4, count: 16) }
        #expect(try store.read(into: &raw, at: 4096) == 0)
    }

    @Test func `a store that is open for reading only takes no change`() throws {
        let path = folder.appending("a")
        try FileStore(creating: path).write([1], at: 0)
        let store = try FileStore(opening: path, access: .readOnly)
        #expect(throws: StorageError.self) { try store.write([2], at: 0) }
        #expect(throws: StorageError.self) { try store.truncate(to: 0) }
        #expect(throws: StorageError.self) { try store.allocate(0..<4096) }
        #expect(throws: StorageError.self) { try store.punchHole(0..<1) }
        #expect(throws: StorageError.self) { try store.setModificationTime(1) }
        #expect(try store.bytes(at: 0, count: 1) == [1])
    }

    @Test func `links, pipes, folders and existing files are refused`() throws {
        let path = folder.appending("a")
        _ = try FileStore(creating: path)
        #expect(throws: StorageError.self) { try FileStore(creating: path) }
        try FileManager.default.createSymbolicLink(
            atPath: folder.appending("link").string, withDestinationPath: path.string)
        #expect(throws: StorageError.self) { try FileStore(opening: folder.appending("link"), access: .readOnly) }
        #expect(unsafe mkfifo(folder.appending("pipe").string, 0o600) == 0)
        #expect(throws: StorageError.self) { try FileStore(opening: folder.appending("pipe"), access: .readOnly) }
        #expect(throws: StorageError.self) { try FileStore(opening: folder.appending("pipe"), access: .readWrite) }
        #expect(throws: StorageError.self) { try FileStore(opening: folder.path, access: .readOnly) }
        #expect(throws: StorageError.self) { try FileStore(opening: "/dev/null", access: .readWrite) }
    }

    @Test func `space is reserved, given back, and holes are found`() throws {
        let store = try FileStore(creating: folder.appending("a"))
        try store.allocate(0..<(4 << 20))
        let reserved = try store.status()
        #expect(reserved.length == 4 << 20)
        #expect(reserved.allocated >= 4 << 20)
        try store.write([UInt8](repeating: 9, count: 1 << 20), at: 1 << 20)
        try store.punchHole(0..<(1 << 20))
        try store.punchHole((2 << 20)..<(4 << 20))
        #expect(try store.status().allocated < reserved.allocated)
        #expect(try store.length() == 4 << 20)
        #expect(try store.nextData(from: 0) == (1 << 20)..<(2 << 20))
        #expect(try store.nextData(from: 2 << 20) == nil)
        #expect(try store.extents(in: 0..<(4 << 20)).map(\.kind) == [.hole, .data, .hole])
    }

    @Test func `offsets that no file has are errors`() throws {
        let store = try FileStore(creating: folder.appending("a"))
        #expect(throws: StorageError.self) { try store.write([1], at: .max) }
        #expect(throws: StorageError.self) { try store.bytes(at: 1 << 63, count: 1) }
        #expect(throws: StorageError.self) { try store.truncate(to: .max) }
    }

    @Test func `the time of change is set to the second`() throws {
        let store = try FileStore(creating: folder.appending("a"))
        try store.write([1], at: 0)
        try store.setModificationTime(1_000_000_000)
        #expect(try store.status().modificationTime == 1_000_000_000)
    }

    @Test func `the descriptor does not reach a program that is started`() throws {
        let path = folder.appending("secret-\(UUID().uuidString)")
        let store = try FileStore(creating: path)
        let listing = Process()
        listing.executableURL = URL(fileURLWithPath: "/bin/ls")
        listing.arguments = ["-l", "/proc/self/fd"]
        let pipe = Pipe()
        listing.standardOutput = pipe
        try listing.run()
        let output = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        listing.waitUntilExit()
        #expect(output.contains("->"))
        #expect(!output.contains(path.string))
        #expect(try store.length() == 0)
    }
}

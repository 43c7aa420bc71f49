// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import Foundation
import NBD
import StorageTestSupport
import Synchronization
import SystemPackage
import Testing

/// Long READs of a file are sent from the system's own pages.
@Suite struct `Sending a file's pages` {
    /// Data, a hole of 300 KiB, data; its length is no multiple of a page.
    private static let length = (4 << 20) + 1536
    private static let hole = (1 << 20)..<(1 << 20) + (300 << 10)

    private let folder: TemporaryFolder
    private let store: FileStore
    private let content: [UInt8]

    init() throws {
        folder = try TemporaryFolder()
        store = try FileStore(creating: folder.appending("disk.raw"))
        var generator = SeededGenerator(seed: 11)
        var bytes = (0..<Self.length / 8).flatMap { _ in UInt64.random(in: 0...UInt64.max, using: &generator).bytes }
        bytes.replaceSubrange(Self.hole, with: repeatElement(0, count: Self.hole.count))
        content = bytes
        try store.write(bytes, at: 0)
        try store.punchHole(UInt64(Self.hole.lowerBound)..<UInt64(Self.hole.upperBound))
    }

    @Test func `reads of every length and place give the file's bytes`() throws {
        let server = NBDServer()
        let device = WatchedDevice(try RawDevice(store, isReadOnly: false))
        let client = try RawClient(server, Export(device)).start()
        var generator = SeededGenerator(seed: 12)
        var requests = [(0, Self.length), (Self.length - 512, 512), (Self.hole.lowerBound, Self.hole.count)]
        for _ in 0..<20 {
            let start = Int.random(in: 0..<Self.length / 512, using: &generator)
            let count = Int.random(in: 1...Self.length / 512 - start, using: &generator)
            requests.append((start * 512, count * 512))
        }
        #expect(try client.read(1 << 20, at: 0) == Array(content[..<(1 << 20)]))
        #expect(device.gathered.load(ordering: .relaxed) == 1 << 20)
        for (start, count) in requests {
            #expect(try client.read(count, at: UInt64(start)) == Array(content[start..<start + count]))
        }
        // The hole is told, not sent.
        let reply = try client.perform(0, length: 2 << 20)
        let holes = reply.chunks.filter { $0.type == 2 }
        #expect(
            holes.map(\.payload) == [UInt64(Self.hole.lowerBound).bytes + UInt32(Self.hole.count).bytes],
            "\(reply.chunks.map(\.payload.count))")
    }

    @Test func `a failure after the first part is told, and the connection goes on`() throws {
        let server = NBDServer()
        let device = WatchedDevice(try RawDevice(store, isReadOnly: false), readableTo: 3 << 20)
        let client = try RawClient(server, Export(device)).start()
        let reply = try client.perform(0, offset: 2 << 20, length: 2 << 20)
        #expect(reply.error == 5)
        #expect(reply.chunks.last?.type == UInt16(0x8001))
        for chunk in reply.chunks.dropLast() {
            let start = Int(UInt64(chunk.payload[0..<8]))
            #expect(chunk.payload.dropFirst(8) == content[start..<start + chunk.payload.count - 8])
        }
        #expect(try client.read(1 << 20, at: 0) == Array(content[..<(1 << 20)]))
    }

    @Test func `a client that leaves in the middle of its reply harms nobody`() throws {
        let server = NBDServer()
        let export = Export(try RawDevice(store, isReadOnly: false))
        for _ in 0..<20 {
            let client = try RawClient(server, export).start()
            for number in 0..<8 { try client.sendRequest(0, cookie: UInt64(number), length: 4 << 20) }
            _ = try client.receive(100_000)
        }
        let client = try RawClient(server, export).start()
        #expect(try client.read(Self.length, at: 0) == content)
    }

    @Test func `a client that does not take its reply holds up neither writes nor a swap`() throws {
        let server = NBDServer()
        let export = Export(try RawDevice(store, isReadOnly: false))
        let slow = try RawClient(server, export).start()
        for number in 0..<8 { try slow.sendRequest(0, cookie: UInt64(number), offset: 2 << 20, length: 2 << 20) }
        _ = try slow.receive(100_000)
        let client = try RawClient(server, export).start()
        #expect(try client.write([UInt8](repeating: 1, count: 4096), at: 0) == 0)
        let other = MemoryDevice(size: UInt64(Self.length))
        try export.swap(to: other)
        #expect(try client.read(4096, at: 0) == [UInt8](repeating: 0, count: 4096))
    }

    @Test func `writes of others between reads are seen at once`() throws {
        let server = NBDServer()
        let export = Export(try RawDevice(store, isReadOnly: false))
        let reader = try RawClient(server, export).start()
        let writer = try RawClient(server, export).start()
        var expected = content
        var generator = SeededGenerator(seed: 13)
        for number in 0..<12 {
            let start = Int.random(in: 0..<Self.length / 512 - 300, using: &generator) * 512
            let bytes = [UInt8](repeating: UInt8(number), count: 300 * 512)
            #expect(try writer.write(bytes, at: UInt64(start)) == 0)
            expected.replaceSubrange(start..<start + bytes.count, with: bytes)
            #expect(try reader.read(1 << 20, at: 2 << 20) == Array(expected[2 << 20..<3 << 20]))
            #expect(try reader.read(bytes.count, at: UInt64(start)) == bytes)
        }
    }
}

/// A file that counts what was gathered of it, and of which nothing behind some place can be read.
private final class WatchedDevice: BlockDevice {
    let gathered: Atomic<Int> = Atomic(0)
    private let file: RawDevice
    private let end: UInt64

    init(_ file: RawDevice, readableTo end: UInt64 = .max) {
        self.file = file
        self.end = end
    }

    var size: UInt64 { file.size }
    var isReadOnly: Bool { false }

    private func check(_ position: UInt64) throws(StorageError) {
        guard position <= end else {
            throw StorageError(.io, name: "watched", detail: "cannot be read", errno: .ioError)
        }
    }

    func gather(_ range: Range<UInt64>, atLeast least: Int, into pipe: PagePipe) throws(StorageError) -> Int {
        try check(range.lowerBound + 1)
        let count = try file.gather(range.clamped(to: 0..<end), atLeast: least, into: pipe)
        gathered.add(count, ordering: .relaxed)
        return count
    }

    func read(into buffer: inout MutableRawSpan, at offset: UInt64) throws(StorageError) {
        try check(offset + UInt64(buffer.byteCount))
        try file.read(into: &buffer, at: offset)
    }

    func write(_ buffer: RawSpan, at offset: UInt64) throws(StorageError) { try file.write(buffer, at: offset) }
    func writeZeroes(_ range: Range<UInt64>) throws(StorageError) { try file.writeZeroes(range) }
    func discard(_ range: Range<UInt64>) throws(StorageError) { try file.discard(range) }
    func flush() throws(StorageError) { try file.flush() }
    func extents(in range: Range<UInt64>) throws(StorageError) -> [Extent] { try file.extents(in: range) }
}

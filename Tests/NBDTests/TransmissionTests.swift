// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import Dispatch
import NBD
import StorageTestSupport
import Synchronization
import Testing

@Suite struct `Transmission` {
    let server = NBDServer()

    @Test func `requests and replies have the protocol's layout`() throws {
        let device = MemoryDevice(size: 1 << 20)
        let client = try RawClient(server, Export(device)).start()
        let data = (0..<512).map { UInt8(truncatingIfNeeded: $0) }
        try client.send(
            [0x25, 0x60, 0x95, 0x13, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 2, 0] + data)
        #expect(try client.receive(16) == [0x67, 0x44, 0x66, 0x98, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8])
        #expect(Array(device.bytes[1024..<1536]) == data)
        try client.send(
            [0x25, 0x60, 0x95, 0x13, 0, 0, 0, 0, 9, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 2, 0])
        #expect(
            try client.receive(28) == [
                0x66, 0x8e, 0x33, 0xef, 0, 1, 0, 1, 9, 2, 3, 4, 5, 6, 7, 8, 0, 0, 2, 8, 0, 0, 0, 0, 0, 0, 4, 0,
            ])
        #expect(try client.receive(512) == data)
        // Beyond the end: an error chunk for READ, a simple reply for WRITE.
        try client.sendRequest(0, cookie: 7, offset: 1 << 20, length: 512)
        #expect(
            try client.receive(26) == [0x66, 0x8e, 0x33, 0xef, 0, 1, 0x80, 1] + UInt64(7).bytes
                + [0, 0, 0, 6, 0, 0, 0, 22, 0, 0])
        try client.sendRequest(1, cookie: 8, offset: 1 << 20, length: 512, payload: data)
        #expect(try client.receive(16) == [0x67, 0x44, 0x66, 0x98, 0, 0, 0, 28] + UInt64(8).bytes)
    }

    @Test func `a long READ leaves the holes out, and DF has one chunk`() throws {
        let device = MemoryDevice(size: 4 << 20)
        let data = [UInt8](repeating: 3, count: 8192)
        try device.write(data, at: 128 << 10)
        try device.write(data, at: 160 << 10)
        // Too short a hole lies between this and the one before.
        try device.write(data, at: 172 << 10)
        let client = try RawClient(server, Export(device)).start()
        let reply = try client.perform(0, offset: 64 << 10, length: 1 << 20)
        #expect(reply.chunks.map(\.type) == [2, 1, 2, 1, 2])
        #expect(reply.chunks.filter { $0.type == 1 }.map(\.payload.count) == [8 + 8192, 8 + (20 << 10)])
        #expect(try client.read(1 << 20, at: 64 << 10) == Array(device.bytes[(64 << 10)..<(1 << 20) + (64 << 10)]))
        let whole = try client.perform(0, flags: 4, offset: 64 << 10, length: 1 << 20)
        #expect(whole.chunks.map(\.type) == [1])
        #expect(Array(whole.chunks[0].payload.dropFirst(8)) == Array(device.bytes[(64 << 10)..<(1 << 20) + (64 << 10)]))
        #expect(try client.read(4 << 20, at: 0) == device.bytes)
    }

    @Test func `the largest requests are served, and longer ones refused`() throws {
        let device = MemoryDevice(size: 48 << 20)
        let client = try RawClient(server, Export(device)).start()
        let data = [UInt8](repeating: 5, count: 32 << 20)
        #expect(try client.write(data, at: 16 << 20) == 0)
        #expect(Array(device.bytes[(16 << 20)...]) == data)
        #expect(try client.read(32 << 20, at: 16 << 20) == data)
        #expect(try client.perform(0, length: 32 << 20 + 512).error == 22)
        #expect(try client.perform(6, length: 48 << 20).error == 0)
        #expect(device.bytes == [UInt8](repeating: 0, count: 48 << 20))
    }

    @Test func `requests longer than any buffer are served whole, in chunks or without`() throws {
        let device = MemoryDevice(size: 16 << 20)
        var data = [UInt8](repeating: 0, count: 5 << 20)
        for index in stride(from: 0, to: data.count, by: 512) { data[index] = UInt8(truncatingIfNeeded: index >> 9) }
        data += [UInt8](repeating: 7, count: 512)
        let client = try RawClient(server, Export(device)).start()
        #expect(try client.write(data, at: 512) == 0)
        #expect(Array(device.bytes[512..<data.count + 512]) == data)
        for flags in [0, 4] as [UInt16] {
            let reply = try client.perform(0, flags: flags, offset: 512, length: UInt32(data.count))
            #expect(reply.chunks.map { $0.payload.count - 8 }.reduce(0, +) == data.count)
            #expect(reply.chunks.reduce(into: []) { $0 += $1.payload.dropFirst(8) } == data)
        }
        let plain = try RawClient(server, Export(device)).start(structured: false)
        try plain.sendRequest(0, cookie: 5, offset: 512, length: UInt32(data.count))
        #expect(try plain.receive(16) == UInt32(0x6744_6698).bytes + UInt32(0).bytes + UInt64(5).bytes)
        #expect(try plain.receive(data.count) == data)
        // Beyond the end or without leave, nothing of it is written, and the connection goes on.
        #expect(try client.perform(1, offset: 12 << 20, length: UInt32(data.count), payload: data).error == 28)
        #expect(Array(device.bytes[(12 << 20)...]) == [UInt8](repeating: 0, count: 4 << 20))
        #expect(try client.flush() == 0)
    }

    @Test func `long WRITEs under way together are all done, and a FLUSH comes after them`() throws {
        let writes = Shared(Mutex<[Bool]>([]), Atomic(0))
        let device = MemoryDevice(size: 8 << 20) { operation throws(StorageError) in
            if operation == .write || operation == .flush {
                writes.first.withLock { $0.append(operation == .flush) }
            }
        }
        let client = try RawClient(server, Export(device)).start()
        let sender = Background {
            for cookie in 0..<16 as Range<UInt64> {
                try client.sendRequest(
                    1, cookie: cookie, offset: cookie << 19, length: 512 << 10,
                    payload: [UInt8](repeating: UInt8(cookie + 1), count: 512 << 10))
            }
            try client.sendRequest(3, cookie: 16)
        }
        let cookies = try (0...16).map { _ in
            let reply = try client.receiveReply()
            #expect(reply.error == 0)
            return reply.cookie
        }
        #expect(try sender.value() != nil)
        #expect(cookies.sorted() == Array(0...16) && cookies.last == 16)
        #expect(writes.first.withLock { $0 } == [Bool](repeating: false, count: 16) + [true])
        for index in 0..<16 {
            let expected = [UInt8](repeating: UInt8(index + 1), count: 1 << 19)
            #expect(Array(device.bytes[index << 19..<(index + 1) << 19]) == expected)
        }
    }

    @Test func `a CACHE behind any number of replies that wait is done`() throws {
        let device = MemoryDevice(size: 1 << 20)
        for count in [255, 256, 257, 496, 512] {
            let client = try RawClient(server, Export(device)).start(structured: false)
            // 512 replies of 512 bytes with their heads are a little more than any buffer's usual size.
            try client.send(
                (0..<count).flatMap { _ in RawClient.request(0, length: 512) } + RawClient.request(5, length: 1 << 20))
            _ = try client.receive(count * 528)
            #expect(try client.receiveReply().error == 0)
        }
    }

    @Test func `a disk of large sectors is served in large sectors`() throws {
        let memory = MemoryDevice(size: 1 << 20)
        let client = try RawClient(server, Export(LargeSectorDevice(memory))).start()
        #expect(try client.perform(1, length: 512, payload: [UInt8](repeating: 1, count: 512)).error == 22)
        #expect(try client.perform(0, offset: 512, length: 4096).error == 22)
        #expect(try client.perform(6, offset: 4096, length: 512).error == 22)
        #expect(memory.bytes.allSatisfy { $0 == 0 })
        #expect(try client.write([UInt8](repeating: 1, count: 4096), at: 4096) == 0)
        #expect(memory.bytes[4096..<8192].allSatisfy { $0 == 1 })
        #expect(throws: NBDError.self) { try Export(memory).swap(to: LargeSectorDevice(memory)) }
    }

    @Test func `wrong requests are refused and the connection goes on`() throws {
        let device = MemoryDevice(size: 1 << 20)
        let client = try RawClient(server, Export(device)).start()
        let sector = [UInt8](repeating: 1, count: 512)
        #expect(try client.perform(0, offset: 100, length: 512).error == 22)
        #expect(try client.perform(0, offset: 0, length: 100).error == 22)
        #expect(try client.perform(0, offset: 0, length: 0).error == 22)
        #expect(try client.perform(0, offset: UInt64.max - 511, length: 1024).error == 22)
        #expect(try client.perform(0, flags: 1 << 9, length: 512).error == 22)
        #expect(try client.perform(1, flags: 2, length: 512, payload: sector).error == 22)
        #expect(try client.perform(1, offset: 1, length: 512, payload: sector).error == 22)
        #expect(try client.perform(1, offset: 1 << 20, length: 512, payload: sector).error == 28)
        #expect(try client.perform(6, offset: UInt64.max - 511, length: 1024).error == 28)
        #expect(try client.perform(3, offset: 512).error == 22)
        #expect(try client.perform(7, length: 512).error == 22)
        #expect(try client.perform(8, length: 512).error == 22)
        #expect(try client.perform(4711).error == 22)
        #expect(device.bytes.allSatisfy { $0 == 0 })
        #expect(device.count(of: .write) == 0)
        #expect(try client.read(512, at: 0) == [UInt8](repeating: 0, count: 512))
    }

    @Test(
        arguments: [
            (StorageError.Code.noSpace, 28), (.readOnly, 1), (.outOfRange, 28), (.io, 5), (.corrupt, 5),
        ] as [(StorageError.Code, UInt32)])
    func `a device's failure reaches the client and the host`(code: StorageError.Code, expected: UInt32) throws {
        let box = Shared(Atomic(false), Mutex<[StorageError.Code]>([]))
        let device = MemoryDevice(size: 1 << 20) { operation throws(StorageError) in
            if box.first.load(ordering: .relaxed) {
                throw StorageError(code, name: "memory", detail: "fails as told to")
            }
        }
        let export = Export(device, onError: { error in box.second.withLock { $0.append(error.code) } })
        let client = try RawClient(server, export).start(allocation: true)
        let sector = [UInt8](repeating: 1, count: 512)
        #expect(try client.write(sector, at: 0) == 0)
        box.first.store(true, ordering: .relaxed)
        #expect(try client.write(sector, at: 512) == expected)
        #expect(try client.perform(4, length: 512).error == expected)
        #expect(try client.perform(6, length: 512).error == expected)
        #expect(try client.flush() == expected)
        let reading: UInt32 = code == .outOfRange ? 22 : expected
        #expect(try client.perform(0, length: 512).error == reading)
        #expect(try client.perform(0, length: 128 << 10).error == reading)
        #expect(try client.perform(5, length: 512).error == reading)
        #expect(try client.perform(7, length: 512).error == reading)
        box.first.store(false, ordering: .relaxed)
        #expect(try client.read(1024, at: 0) == sector + [UInt8](repeating: 0, count: 512))
        #expect(box.second.withLock { $0 } == [StorageError.Code](repeating: code, count: 8))
    }

    @Test func `zeroes are holes unless they must take space, and fast only where nothing is stored`() throws {
        let device = MemoryDevice(size: 4 << 20)
        let client = try RawClient(server, Export(device)).start(allocation: true)
        func status(_ length: UInt32) throws -> [UInt8] {
            Array(try client.perform(7, length: length).chunks[0].payload.dropFirst(4))
        }
        #expect(try client.perform(6, flags: 16, length: 4096).error == 0)
        #expect(try client.perform(6, flags: 16 | 2, length: 4096).error == 95)
        #expect(try client.write([UInt8](repeating: 1, count: 8192), at: 0) == 0)
        #expect(try client.perform(6, flags: 16, length: 1 << 20).error == 95)
        #expect(device.bytes[0] == 1)
        #expect(try client.perform(6, length: 4096).error == 0)
        #expect(
            try status(16384) == UInt32(4096).bytes + UInt32(3).bytes + UInt32(4096).bytes + UInt32(0).bytes
                + UInt32(8192).bytes + UInt32(3).bytes)
        #expect(try client.perform(6, flags: 2, length: 3 << 20).error == 0)
        #expect(try status(3 << 20) == UInt32(3 << 20).bytes + UInt32(0).bytes)
        #expect(device.bytes.allSatisfy { $0 == 0 })
        #expect(try client.perform(7, flags: 8, length: 4 << 20).chunks[0].payload.count == 12)
        #expect(try client.perform(5, length: 4 << 20).error == 0)
        #expect(device.count(of: .read) > 0)
    }

    @Test func `reads and writes go on while a FLUSH waits for the device, and FUA waits alike`() throws {
        let isFlushing = DispatchSemaphore(value: 0)
        let goOn = DispatchSemaphore(value: 0)
        let device = MemoryDevice(size: 1 << 20) { operation throws(StorageError) in
            if operation == .flush {
                isFlushing.signal()
                goOn.wait()
            }
        }
        let client = try RawClient(server, Export(device)).start()
        let sector = [UInt8](repeating: 1, count: 512)
        try client.sendRequest(3, cookie: 1)
        isFlushing.wait()
        try client.sendRequest(1, flags: 1, cookie: 2, offset: 512, length: 512, payload: sector)
        try client.sendRequest(3, cookie: 3)
        #expect(try client.write(sector, at: 1024) == 0)
        #expect(try client.read(1024, at: 512) == sector + sector)
        goOn.signal()
        #expect(try client.receiveReply() == .init(cookie: 1))
        // The two that came meanwhile share one sync.
        isFlushing.wait()
        goOn.signal()
        #expect(try client.receiveReply() == .init(cookie: 2))
        #expect(try client.receiveReply() == .init(cookie: 3))
        #expect(device.count(of: .flush) == 2)
    }

    @Test func `DISC finishes what is under way, then closes`() throws {
        let isFlushing = DispatchSemaphore(value: 0)
        let goOn = DispatchSemaphore(value: 0)
        let device = MemoryDevice(size: 1 << 20) { operation throws(StorageError) in
            if operation == .flush {
                isFlushing.signal()
                goOn.wait()
            }
        }
        let client = try RawClient(server, Export(device)).start()
        try client.sendRequest(3, cookie: 1)
        try client.sendRequest(2)
        isFlushing.wait()
        goOn.signal()
        #expect(try client.receiveReply() == .init(cookie: 1))
        #expect(client.isClosedByServer())
    }
}

/// Two values that a device's closure shares with its test.
final class Shared<First: ~Copyable & Sendable, Second: ~Copyable & Sendable>: Sendable {
    let first: First
    let second: Second

    init(_ first: consuming First, _ second: consuming Second) {
        self.first = first
        self.second = second
    }
}

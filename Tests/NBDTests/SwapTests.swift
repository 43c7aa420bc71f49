// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import Dispatch
import NBD
import StorageTestSupport
import Synchronization
import Testing

@Suite struct `Exchanging the device behind live connections` {
    let server = NBDServer()

    @Test func `a swap takes effect for the next request`() throws {
        let first = MemoryDevice(size: 1 << 20)
        let export = Export(first)
        let client = try RawClient(server, export).start()
        let sector = [UInt8](repeating: 1, count: 512)
        #expect(try client.write(sector, at: 0) == 0)
        let second = MemoryDevice(size: 1 << 20)
        let old = try export.swap(to: second)
        #expect(old as? MemoryDevice === first)
        #expect(export.device as? MemoryDevice === second)
        #expect(try client.read(512, at: 0) == [UInt8](repeating: 0, count: 512))
        #expect(try client.write(sector, at: 512) == 0)
        #expect(first.bytes[512] == 0 && second.bytes[512] == 1)
    }

    @Test func `a device of another size or mode is refused`() throws {
        let export = Export(MemoryDevice(size: 1 << 20))
        for device in [MemoryDevice(size: 1 << 19), MemoryDevice(size: 1 << 20, isReadOnly: true)] {
            let error = #expect(throws: NBDError.self) { try export.swap(to: device) }
            #expect(error?.code == .deviceMismatch)
        }
    }

    @Test func `a swap waits for the request in flight, and holds those that come after`() throws {
        let isWriting = DispatchSemaphore(value: 0)
        let goOn = DispatchSemaphore(value: 0)
        let first = MemoryDevice(size: 1 << 20) { operation throws(StorageError) in
            if operation == .write {
                isWriting.signal()
                goOn.wait()
            }
        }
        let second = MemoryDevice(size: 1 << 20)
        let export = Export(first)
        let early = try RawClient(server, export).start()
        let late = try RawClient(server, export).start()
        let sector = [UInt8](repeating: 1, count: 512)
        try early.sendRequest(1, cookie: 1, length: 512, payload: sector)
        isWriting.wait()
        // With a limit nothing happens; without one it waits.
        let error = #expect(throws: NBDError.self) { try export.swap(to: second, within: .milliseconds(1)) }
        #expect(error?.code == .timedOut)
        #expect(export.device as? MemoryDevice === first)
        let swap = Background { try export.swap(to: second) }
        try late.sendRequest(1, cookie: 2, offset: 512, length: 512, payload: sector)
        #expect(!swap.hasEnded)
        // The late one may wait in the first device too, and either is woken first.
        goOn.signal()
        goOn.signal()
        #expect(try early.receiveReply() == .init(cookie: 1))
        #expect(try late.receiveReply() == .init(cookie: 2))
        #expect(try swap.value() as? MemoryDevice === first)
        #expect(first.bytes[0] == 1 && second.bytes[0] == 0)
        // The late one may have entered before the swap began, but it is in one of the two and not lost.
        #expect((first.bytes[512], second.bytes[512]) == (1, 0) || (first.bytes[512], second.bytes[512]) == (0, 1))
    }

    @Test func `a closed gate holds requests until it is opened as often`() throws {
        let device = MemoryDevice(size: 1 << 20)
        let export = Export(device)
        let client = try RawClient(server, export).start()
        #expect(try client.read(512, at: 0).count == 512)
        export.closeGate()
        export.closeGate()
        try export.drain()
        try client.sendRequest(1, cookie: 1, length: 512, payload: [UInt8](repeating: 1, count: 512))
        try client.sendRequest(3, cookie: 2)
        let next = MemoryDevice(size: 1 << 20)
        try export.swap(to: next)
        export.openGate()
        #expect(device.count(of: .write) == 0 && next.count(of: .write) == 0)
        export.openGate()
        #expect(try client.receiveReply() == .init(cookie: 1))
        #expect(try client.receiveReply() == .init(cookie: 2))
        #expect(device.bytes[0] == 0 && next.bytes[0] == 1 && next.count(of: .flush) == 1)
    }

    @Test(arguments: [(command: UInt16(5), length: UInt32(300 << 10)), (0, 512), (0, 300 << 10)])
    func `what a request takes back behind a closed gate is its own`(
        _ request: (command: UInt16, length: UInt32)
    ) throws {
        let gate = Mutex<Export?>(nil)
        let fails = Atomic(false)
        let device = MemoryDevice(size: 1 << 20) { operation throws(StorageError) in
            if fails.load(ordering: .relaxed), operation == .read {
                throw StorageError(.io, name: "memory", detail: "it fails")
            }
            gate.withLock { $0.take() }?.closeGate()
        }
        try device.write([UInt8](repeating: 0xAB, count: 1 << 20), at: 0)
        let export = Export(device)
        let client = try RawClient(server, export).start()
        gate.withLock { $0 = export }
        // The first one closes the gate behind itself; its reply waits until the second one has to wait, too.
        try client.send(
            RawClient.request(0, cookie: 1, length: 512)
                + RawClient.request(request.command, cookie: 2, offset: 4096, length: request.length))
        #expect(try client.receiveReply().cookie == 1)
        fails.store(true, ordering: .relaxed)
        export.openGate()
        let reply = try client.receiveReply()
        #expect(reply.cookie == 2 && reply.error == 5)
        fails.store(false, ordering: .relaxed)
        #expect(try client.read(512, at: 0) == [UInt8](repeating: 0xAB, count: 512))
    }

    /// Clients write numbered blocks all the time, sixteen requests under way, while one layer after another is put
    /// on top; in the end every block holds the last number that was acknowledged for it.
    @Test func `nothing is lost when layers are swapped under load`() throws {
        let size = 1 << 20
        let blocks = size / 4096
        let export = Export(LayerDevice(over: MemoryDevice(size: UInt64(size))))
        let isDone = Shared(Atomic(false), Atomic(0))
        let clients = try (0..<2).map { index in
            let client = try RawClient(server, export).start()
            return Background {
                var acknowledged = [UInt64](repeating: 0, count: blocks)
                var number = UInt64(index) << 32
                while !isDone.first.load(ordering: .relaxed) {
                    // Each client has every other block; no block is twice in one batch.
                    let batch = Array((0..<blocks).filter { $0 % 2 == index }.shuffled().prefix(16))
                    var numbers: [UInt64: Int] = [:]
                    for block in batch {
                        number += 1
                        numbers[number] = block
                        let data = (0..<512).flatMap { _ in number.bytes }
                        try client.sendRequest(
                            1, flags: block % 7 == 0 ? 1 : 0, cookie: number, offset: UInt64(block * 4096),
                            length: 4096, payload: data)
                    }
                    for _ in batch {
                        let reply = try client.receiveReply()
                        #expect(reply.error == 0)
                        let block = try #require(numbers[reply.cookie])
                        acknowledged[block] = reply.cookie
                    }
                    let probe = batch[0]
                    #expect(UInt64(try client.read(4096, at: UInt64(probe * 4096))[4088...]) == acknowledged[probe])
                    isDone.second.add(1, ordering: .relaxed)
                }
                return acknowledged
            }
        }
        var layers: [LayerDevice] = []
        for _ in 0..<60 {
            // Every layer gets some of the load.
            let rounds = isDone.second.load(ordering: .relaxed)
            while isDone.second.load(ordering: .relaxed) < rounds + 2, !clients.contains(where: \.hasEnded) {}
            let old = try #require(export.device as? LayerDevice)
            layers.append(old)
            try export.swap(to: LayerDevice(over: old))
            old.seal()
        }
        isDone.first.store(true, ordering: .relaxed)
        let acknowledged = try clients.map { try #require(try $0.value()) }
        let reader = try RawClient(server, export).start()
        for block in 0..<blocks {
            let data = try reader.read(4096, at: UInt64(block * 4096))
            let expected = acknowledged[block % 2][block]
            #expect(data == (0..<512).flatMap { _ in expected.bytes }, "block \(block)")
        }
        #expect(layers.allSatisfy { $0.lateWrites.load(ordering: .relaxed) == 0 })
    }
}

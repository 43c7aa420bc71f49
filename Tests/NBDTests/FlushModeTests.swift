// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import Dispatch
import NBD
import StorageTestSupport
import Synchronization
import Testing

@Suite struct `How FLUSH is answered` {
    let server = NBDServer()
    let sector = [UInt8](repeating: 1, count: 512)

    /// A device whose flushes tell that they have begun, and wait.
    private final class SlowFlush: Sendable {
        let isFlushing = DispatchSemaphore(value: 0)
        let goOn = DispatchSemaphore(value: 0)

        func device() -> MemoryDevice {
            MemoryDevice(size: 1 << 20) { [self] operation throws(StorageError) in
                if operation == .flush {
                    isFlushing.signal()
                    goOn.wait()
                }
            }
        }
    }

    private func count(of export: Export) -> Export.FlushCount? {
        if case .counted(let count, _) = export.flushMode { count } else { nil }
    }

    @Test func `counted, FLUSH and FUA are answered without the device`() throws {
        let device = MemoryDevice(size: 1 << 20)
        let export = Export(device)
        let client = try RawClient(server, export).start()
        #expect(try client.flush() == 0)
        #expect(device.count(of: .flush) == 1)
        #expect(export.countFlushes(waitingUpTo: .seconds(60)) == .init(answered: 0, oneWasInFlight: false))
        #expect(try client.flush() == 0)
        #expect(try client.write(sector, at: 0, flags: 1) == 0)
        #expect(try client.write(sector, at: 512) == 0)
        #expect(device.bytes[0] == 1)
        #expect(count(of: export) == .init(answered: 2))
        // Counting twice changes nothing.
        #expect(export.countFlushes(waitingUpTo: .zero) == .init(answered: 2))
        #expect(device.count(of: .flush) == 1)
        #expect(export.resumeFlushes() == .init(answered: 2))
        #expect(try client.flush() == 0)
        #expect(device.count(of: .flush) == 2)
    }

    @Test func `a held FLUSH is answered when counting begins, not before`() throws {
        let device = MemoryDevice(size: 1 << 20)
        let export = Export(device)
        let client = try RawClient(server, export).start()
        #expect(!export.holdFlushes(waitingUpTo: .seconds(60)))
        try client.sendRequest(3, cookie: 1)
        // The read's reply would come second if the FLUSH had been answered.
        #expect(try client.read(512, at: 0) == [UInt8](repeating: 0, count: 512))
        export.countFlushes()
        #expect(try client.receiveReply() == .init(cookie: 1))
        #expect(count(of: export) == .init(answered: 1))
        #expect(device.count(of: .flush) == 0)
    }

    @Test func `a held FLUSH reaches the device when the hold ends without a count`() throws {
        let device = MemoryDevice(size: 1 << 20)
        let export = Export(device)
        let client = try RawClient(server, export).start()
        export.holdFlushes(waitingUpTo: .zero)
        try client.sendRequest(3, cookie: 1)
        #expect(export.resumeFlushes() == .init())
        #expect(try client.receiveReply() == .init(cookie: 1))
        #expect(device.count(of: .flush) == 1)
    }

    @Test func `a FLUSH that is held too long is done on the device, and not counted`() throws {
        let device = MemoryDevice(size: 1 << 20)
        let export = Export(device)
        let client = try RawClient(server, export).start()
        export.holdFlushes(waitingUpTo: .zero)
        #expect(try client.flush() == 0)
        #expect(device.count(of: .flush) == 1)
        export.countFlushes()
        #expect(count(of: export) == .init())
    }

    @Test func `a counted FLUSH passes a closed gate`() throws {
        let export = Export(MemoryDevice(size: 1 << 20))
        let client = try RawClient(server, export).start()
        export.countFlushes(waitingUpTo: .zero)
        export.closeGate()
        #expect(try client.flush() == 0)
        export.openGate()
    }

    @Test func `counting begins at a moment when no FLUSH is in flight`() throws {
        let slow = SlowFlush()
        let export = Export(slow.device())
        let client = try RawClient(server, export).start()
        try client.sendRequest(3, cookie: 1)
        slow.isFlushing.wait()
        let counting = Background { export.countFlushes(waitingUpTo: .seconds(600)) }
        #expect(count(of: export) == nil)
        slow.goOn.signal()
        #expect(try counting.value() == .init(answered: 0, oneWasInFlight: false))
        #expect(try client.receiveReply() == .init(cookie: 1))
    }

    @Test func `a FLUSH that outlasts the limit is told of, and ends on its own device`() throws {
        let slow = SlowFlush()
        let first = slow.device()
        let second = MemoryDevice(size: 1 << 20)
        let export = Export(first)
        let client = try RawClient(server, export).start()
        try client.sendRequest(3, cookie: 1)
        slow.isFlushing.wait()
        #expect(export.countFlushes(waitingUpTo: .milliseconds(1)) == .init(answered: 0, oneWasInFlight: true))
        // It holds up neither the swap nor the counting.
        try export.swap(to: second)
        #expect(try client.flush() == 0)
        let error = #expect(throws: NBDError.self) { try export.drain(within: .zero) }
        #expect(error?.code == .timedOut)
        slow.goOn.signal()
        #expect(try client.receiveReply() == .init(cookie: 1))
        #expect(second.count(of: .flush) == 0)
        #expect(export.resumeFlushes() == .init(answered: 1, oneWasInFlight: true))
        try export.drain()
    }

    @Test func `behind a barrier, FLUSH and FUA wait and everything else goes on`() throws {
        let first = MemoryDevice(size: 1 << 20)
        let second = MemoryDevice(size: 1 << 20)
        let export = Export(first)
        let client = try RawClient(server, export).start()
        export.countFlushes(waitingUpTo: .zero)
        try export.swap(to: second)
        let barrier = Barrier()
        export.resumeFlushes(behind: barrier)
        try client.sendRequest(3, cookie: 1)
        try client.sendRequest(1, flags: 1, cookie: 2, length: 512, payload: sector)
        #expect(try client.write(sector, at: 512) == 0)
        #expect(try client.read(1024, at: 0) == sector + sector)
        #expect(second.count(of: .flush) == 0)
        barrier.complete()
        #expect(try client.receiveReply() == .init(cookie: 1))
        #expect(try client.receiveReply() == .init(cookie: 2))
        #expect(second.count(of: .flush) > 0 && first.count(of: .flush) == 0)
        guard case .durable = export.flushMode else {
            Issue.record("\(export.flushMode)")
            return
        }
    }

    @Test func `behind a failed barrier FLUSH is EIO until it is complete after all`() throws {
        let device = MemoryDevice(size: 1 << 20)
        let export = Export(device)
        let client = try RawClient(server, export).start()
        let barrier = Barrier()
        export.resumeFlushes(behind: barrier)
        try client.sendRequest(3, cookie: 1)
        barrier.fail(StorageError(.io, name: "parent", detail: "fails as told to"))
        #expect(try client.receiveReply() == .init(cookie: 1, error: 5))
        #expect(try client.flush() == 5)
        #expect(try client.write(sector, at: 0, flags: 1) == 5)
        #expect(try client.write(sector, at: 512) == 0)
        #expect(device.count(of: .flush) == 0)
        barrier.complete()
        #expect(try client.flush() == 0)
        #expect(device.count(of: .flush) == 1)
        // What is complete stays so.
        barrier.fail(StorageError(.io, name: "parent", detail: "fails as told to"))
        #expect(try client.flush() == 0)
    }

    @Test func `what an earlier checkpoint still owes is not forgotten by the next`() throws {
        let export = Export(MemoryDevice(size: 1 << 20))
        let client = try RawClient(server, export).start()
        let (first, second) = (Barrier(), Barrier())
        export.resumeFlushes(behind: first)
        export.countFlushes(waitingUpTo: .zero)
        #expect(try client.flush() == 0)
        #expect(export.resumeFlushes(behind: second).answered == 1)
        try client.sendRequest(3, cookie: 1)
        second.complete()
        first.fail(StorageError(.io, name: "parent", detail: "fails as told to"))
        #expect(try client.receiveReply() == .init(cookie: 1, error: 5))
        first.complete()
        #expect(try client.flush() == 0)
    }

    @Test func `a cancelled checkpoint goes back behind what was owed`() throws {
        let export = Export(MemoryDevice(size: 1 << 20))
        let client = try RawClient(server, export).start()
        let barrier = Barrier()
        export.resumeFlushes(behind: barrier)
        export.countFlushes(waitingUpTo: .zero)
        export.resumeFlushes()
        barrier.fail(StorageError(.io, name: "parent", detail: "fails as told to"))
        #expect(try client.flush() == 5)
    }

    @Test func `a FLUSH on one connection covers the writes of another`() throws {
        let order = Mutex<[MemoryDevice.Operation]>([])
        let box = Shared(Atomic(false), order)
        let device = MemoryDevice(size: 1 << 20) { operation throws(StorageError) in
            box.second.withLock { $0.append(operation) }
        }
        let export = Export(device)
        let (one, two) = (try RawClient(server, export).start(), try RawClient(server, export).start())
        #expect(try one.write(sector, at: 0) == 0)
        #expect(try two.flush() == 0)
        #expect(box.second.withLock { $0 } == [.write, .flush])
    }

    @Test func `stopping gives up what waits behind a barrier or a gate`() throws {
        let export = Export(MemoryDevice(size: 1 << 20))
        let client = try RawClient(server, export).start()
        export.resumeFlushes(behind: Barrier())
        try client.sendRequest(3, cookie: 1)
        #expect(try client.read(512, at: 0).count == 512)
        export.closeGate()
        try client.sendRequest(1, cookie: 2, length: 512, payload: sector)
        server.stop()
        let replies = [try client.receiveReply(), try client.receiveReply()]
        #expect(Set(replies.map(\.cookie)) == [1, 2] && replies.allSatisfy { $0.error == 108 })
        #expect(client.isClosedByServer())
    }
}

extension Export {
    /// Holds FLUSHes and counts them at once, as for a client that stands.
    @discardableResult
    fileprivate func countFlushes(waitingUpTo limit: Duration) -> FlushCount? {
        holdFlushes(waitingUpTo: limit)
        countFlushes()
        if case .counted(let count, _) = flushMode { return count }
        return nil
    }
}

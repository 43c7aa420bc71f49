// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import Foundation
import NBD
import StorageTestSupport
import Synchronization
import SystemPackage
import Testing

@Suite struct `Hostile clients` {
    let ends = Shared(Mutex<[ConnectionEnd]>([]), Atomic(0))
    let device = MemoryDevice(size: 1 << 20)
    let served: ServedExport
    let bystander: Bystander

    init() throws {
        served = try ServedExport(device, limits: Limits(connections: 8, options: 8)) { [ends] end in
            ends.first.withLock { $0.append(end) }
        }
        bystander = try Bystander(RawClient(served.socket).start(), at: 512 << 10)
    }

    /// What is sent after the greeting, and must end the connection.
    static let brokenHandshakes: [(String, [UInt8])] = [
        ("unknown handshake flags", UInt32(0xff).bytes),
        ("no option magic", UInt32(3).bytes + [UInt8](repeating: 0x41, count: 64)),
        ("an endless option", UInt32(3).bytes + Array("IHAVEOPT".utf8) + UInt32(7).bytes + UInt32.max.bytes),
        ("an option over the limit", UInt32(3).bytes + Array("IHAVEOPT".utf8) + UInt32(7).bytes + UInt32(65537).bytes),
        ("a GO without fixed newstyle", UInt32(0).bytes + Array("IHAVEOPT".utf8) + UInt32(7).bytes + UInt32(0).bytes),
        (
            "too many options",
            UInt32(3).bytes + (0..<9).flatMap { _ in Array("IHAVEOPT".utf8) + UInt32(3).bytes + UInt32(0).bytes }
        ),
        (
            "a flood of unknown options",
            UInt32(3).bytes + (0..<9).flatMap { Array("IHAVEOPT".utf8) + UInt32(0xffff - $0).bytes + UInt32(0).bytes }
        ),
    ]

    /// What is sent as a request, and must end the connection.
    static let brokenRequests: [(String, [UInt8])] = [
        ("no request magic", [UInt8](repeating: 0x41, count: 64)),
        ("a WRITE over the maximum", RawClient.request(1, length: 32 << 20 + 512)),
        ("a WRITE of 64 MiB", RawClient.request(1, length: 64 << 20)),
        ("a WRITE of 4 GiB", RawClient.request(1, length: UInt32.max)),
        ("a simple reply", UInt32(0x6744_6698).bytes + [UInt8](repeating: 0, count: 24)),
    ]

    @Test(arguments: brokenHandshakes.indices)
    func `a handshake that breaks the protocol ends its connection alone`(index: Int) throws {
        let client = try RawClient(served.socket)
        _ = try client.receive(18)
        try client.send(Self.brokenHandshakes[index].1)
        #expect(client.isClosedByServer(), "\(Self.brokenHandshakes[index].0)")
        try bystander.stop()
        try expectOneFailure(.protocolViolation)
    }

    @Test(arguments: brokenRequests.indices)
    func `a request that breaks the protocol ends its connection alone`(index: Int) throws {
        let client = try RawClient(served.socket).start()
        try client.send(Self.brokenRequests[index].1)
        #expect(client.isClosedByServer(), "\(Self.brokenRequests[index].0)")
        try bystander.stop()
        try expectOneFailure(.protocolViolation)
    }

    @Test func `a WRITE that is cut off changes nothing`() throws {
        for length in [0, 1, 511, 4095, 100_000] {
            let client = try RawClient(served.socket).start()
            let payload = [UInt8](repeating: 9, count: length)
            try client.sendRequest(1, length: 128 << 10, payload: payload)
            client.shutDownSending()
            #expect(client.isClosedByServer())
        }
        for length in [1, 27] {
            let client = try RawClient(served.socket).start()
            try client.send(Array(RawClient.request(1, length: 512).prefix(length)))
            client.shutDownSending()
            #expect(client.isClosedByServer())
        }
        #expect(device.bytes.prefix(512 << 10).allSatisfy { $0 == 0 })
        try bystander.stop()
    }

    @Test func `a client that leaves before its replies harms nobody`() throws {
        for _ in 0..<50 {
            let client = try RawClient(served.socket).start()
            for cookie in 0..<32 as Range<UInt64> {
                try client.sendRequest(0, flags: 4, cookie: cookie, length: 64 << 10)
                try client.sendRequest(3, cookie: cookie)
            }
        }
        try bystander.stop()
    }

    @Test func `a client that reads slowly holds up neither a swap nor the memory`() throws {
        let device = MemoryDevice(size: 1 << 20)
        var data = [UInt8](repeating: 1, count: 1 << 20)
        for index in stride(from: 0, to: data.count, by: 512) { data[index] = UInt8(truncatingIfNeeded: index >> 9) }
        try device.write(data, at: 0)
        let export = Export(device)
        let server = NBDServer()
        defer { server.stop(within: .zero) }
        let client = try RawClient(server, export).start()
        // Far more than the socket holds, and nobody takes it.
        for cookie in 0..<16 as Range<UInt64> {
            try client.sendRequest(0, flags: cookie % 2 == 0 ? 0 : 4, cookie: cookie, length: 1 << 20)
        }
        try export.drain(within: .seconds(60))
        try export.swap(to: device.copy(named: "another"), within: .seconds(60))
        let other = try RawClient(server, export).start()
        #expect(try other.write(Array(data.prefix(512)), at: 0) == 0)
        for cookie in 0..<16 as Range<UInt64> {
            let reply = try client.receiveReply()
            #expect(reply.cookie == cookie && reply.error == 0)
            #expect(reply.chunks.reduce(into: []) { $0 += $1.payload.dropFirst(8) } == data)
        }
    }

    @Test func `a thousand clients that ask for nothing keep nobody out`() throws {
        let limits = Limits(contendedStart: .milliseconds(300), contendedIdle: .seconds(3600))
        let server = NBDServer(limits: limits)
        let folder = try TemporaryFolder()
        let path = folder.appending("run/s")
        try server.listen(at: path, exports: [Export(device)])
        defer { server.stop(within: .zero) }
        let early = try Bystander(RawClient(path.string).start(), at: 0)
        var idle: [RawClient] = []
        for index in 0..<1000 {
            idle.append(try RawClient(path.string))
            // Half of them come through the handshake, and some ask for something.
            if index % 2 == 0 { try idle[index].start() }
            if index % 20 == 0 { #expect(try idle[index].flush() == 0) }
            if index % 100 == 99 { #expect(try RawClient(path.string).start().flush() == 0) }
        }
        #expect(server.connectionCount <= 256)
        try Bystander(RawClient(path.string).start(), at: 4096).stop()
        try early.stop()
        // Those that had asked for something are still served.
        for index in stride(from: 0, to: 1000, by: 20) { #expect(try idle[index].flush() == 0) }
        try bystander.stop()
    }

    /// What clients leave off in, once they have worked.
    static let pauses: [(String, @Sendable (RawClient) throws -> Void)] = [
        ("nothing", { _ in }),
        ("a request", { try $0.send(Array(RawClient.request(1, length: 4096).prefix(17))) }),
        ("a payload", { try $0.sendRequest(1, length: 4096, payload: [UInt8](repeating: 9, count: 100)) }),
        (
            "taking replies",
            { client in
                for cookie in 0..<4 as Range<UInt64> {
                    try client.sendRequest(0, flags: 4, cookie: cookie, length: 512 << 10)
                }
            }
        ),
    ]

    @Test(arguments: pauses.indices)
    func `clients that go silent after their first requests keep nobody out`(index: Int) throws {
        let limits = Limits(connections: 16, contendedStart: .milliseconds(50), contendedIdle: .milliseconds(100))
        let server = NBDServer(limits: limits)
        let folder = try TemporaryFolder()
        let path = folder.appending("run/s")
        try server.listen(at: path, exports: [Export(device)])
        defer { server.stop(within: .zero) }
        // One that was handed over is nobody's guest, and may be silent as long as it likes.
        let own = try RawClient(server, Export(device)).start()
        var silent: [RawClient] = []
        for _ in 0..<64 {
            let client = try RawClient(path.string).start()
            #expect(try client.flush() == 0)
            try Self.pauses[index].1(client)
            silent.append(client)
        }
        try Bystander(RawClient(path.string).start(), at: 4096).stop()
        #expect(server.connectionCount <= 17)
        #expect(try own.flush() == 0)
        #expect(silent[0].isClosedByServer())
        #expect(device.bytes[0] == 0)
        try bystander.stop()
    }

    @Test func `a client whose request takes long keeps its place`() throws {
        let (isFlushing, goOn) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
        let device = MemoryDevice(size: 1 << 20) { operation throws(StorageError) in
            if operation == .flush {
                isFlushing.signal()
                goOn.wait()
            }
        }
        let limits = Limits(connections: 2, contendedStart: .zero, contendedIdle: .zero)
        let server = NBDServer(limits: limits)
        let folder = try TemporaryFolder()
        let path = folder.appending("run/s")
        try server.listen(at: path, exports: [Export(device)])
        defer { server.stop(within: .zero) }
        let working = try RawClient(path.string).start()
        try working.sendRequest(3, cookie: 1)
        isFlushing.wait()
        var others: [RawClient] = []
        for _ in 0..<20 {
            others.append(try RawClient(path.string).start())
            #expect(try others.last?.read(512, at: 0).count == 512)
        }
        goOn.signal()
        #expect(try working.receiveReply() == .init(cookie: 1))
        try bystander.stop()
    }

    @Test func `a client that says nothing is given up after the limit`() throws {
        let ends = Shared(Mutex<[ConnectionEnd]>([]), Atomic(0))
        let server = NBDServer(limits: Limits(handshake: .milliseconds(20))) { end in
            ends.first.withLock { $0.append(end) }
        }
        let client = try RawClient(server, Export(device))
        #expect(client.isClosedByServer())
        server.stop()
        guard case .failed(let error) = ends.first.withLock({ $0.first?.reason }) else {
            Issue.record("\(ends.first.withLock { $0 })")
            return
        }
        #expect(error.code == .timedOut)
        try bystander.stop()
    }

    @Test func `the limit is lifted once the client has started`() throws {
        let (ours, theirs) = try RawClient.socketPair()
        try served.server.serve(connection: theirs, export: Export(device))
        func limit() -> timeval {
            var time = timeval()
            var size = socklen_t(MemoryLayout<timeval>.size)
            unsafe getsockopt(theirs.rawValue, SOL_SOCKET, SO_RCVTIMEO, &time, &size)
            return time
        }
        let client = RawClient(ours.rawValue)
        try client.greet()
        _ = try client.negotiate(8)
        #expect(limit().tv_sec > 0)
        #expect(try client.negotiate(7, [0, 0, 0, 0, 0, 0]).last?.type == 1)
        #expect(try client.flush() == 0)
        #expect(limit().tv_sec == 0 && limit().tv_usec == 0)
        try bystander.stop()
    }

    @Test func `thousands of clients come and go`() throws {
        let folder = "/proc/self/fd"
        let before = try FileManager.default.contentsOfDirectory(atPath: folder).count
        for round in 0..<3000 {
            let client = try RawClient(served.socket)
            switch round % 4 {
            case 0: break
            case 1: try client.send([0, 0, 0])
            case 2: try client.greet()
            default: try client.start()
            }
        }
        try bystander.stop()
        served.server.stop()
        #expect(served.server.connectionCount == 0)
        #expect(ends.first.withLock { $0.count } == 3001)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder).count < before + 1000)
    }

    private func expectOneFailure(_ code: NBDError.Code) throws {
        served.server.stop()
        let failures = ends.first.withLock { $0 }.compactMap { end in
            if case .failed(let error) = end.reason { error } else { nil as NBDError? }
        }
        #expect(failures.map(\.code) == [code])
    }
}

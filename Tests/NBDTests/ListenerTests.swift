// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import NBD
import StorageTestSupport
import Synchronization
import SystemPackage
import Testing

@Suite struct `Listening on a socket` {
    let folder: TemporaryFolder
    let export = Export(MemoryDevice(size: 1 << 20))
    let path: FilePath

    init() throws {
        folder = try TemporaryFolder()
        path = folder.appending("run/socket")
    }

    private func mode(_ path: FilePath) throws -> Int? {
        try FileManager.default.attributesOfItem(atPath: path.string)[.posixPermissions] as? Int
    }

    private func code(_ body: () throws -> Void) -> NBDError.Code? {
        #expect(throws: NBDError.self, performing: body)?.code
    }

    @Test func `the socket is the user's alone, and gone after the stop`() throws {
        let server = NBDServer()
        try server.listen(at: path, exports: [export])
        #expect(try mode(path) == 0o600)
        #expect(try mode(path.removingLastComponent()) == 0o700)
        #expect(try RawClient(path.string).start().flush() == 0)
        server.stop()
        #expect(!FileManager.default.fileExists(atPath: path.string))
    }

    @Test func `a live server's socket is refused and still serves`() throws {
        let (server, other) = (NBDServer(), NBDServer())
        defer { server.stop() }
        try server.listen(at: path, exports: [export])
        #expect(code { try other.listen(at: path, exports: [export]) } == .addressInUse)
        #expect(try RawClient(path.string).start().flush() == 0)
    }

    @Test func `a socket that nobody listens on is replaced`() throws {
        try folder.makeFolder("run")
        try FileManager.default.setAttributes([.posixPermissions: 0o700], ofItemAtPath: folder.appending("run").string)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: Array(path.string.utf8)) }
        let stale = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0)
        let result = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                unsafe bind(stale, pointer, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        #expect(result == 0)
        close(stale)
        let server = NBDServer()
        defer { server.stop() }
        try server.listen(at: path, exports: [export])
        #expect(try RawClient(path.string).start().flush() == 0)
    }

    @Test func `what is no socket stays as it is`() throws {
        let file = try folder.makeFolder("run").appending("socket")
        try FileManager.default.setAttributes([.posixPermissions: 0o700], ofItemAtPath: folder.appending("run").string)
        try Data("precious".utf8).write(to: URL(fileURLWithPath: file.string))
        #expect(code { try NBDServer().listen(at: file, exports: [export]) } == .invalidAddress)
        #expect(try Data(contentsOf: URL(fileURLWithPath: file.string)) == Data("precious".utf8))
    }

    @Test func `a folder that others can reach is refused, unless that is accepted`() throws {
        let open = try folder.makeFolder("open")
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: open.string)
        #expect(code { try NBDServer().listen(at: open.appending("s"), exports: [export]) } == .notPrivate)
        let server = NBDServer()
        defer { server.stop() }
        try server.listen(at: open.appending("s"), exports: [export], in: .existing)
        #expect(try mode(open.appending("s")) == 0o600)
    }

    @Test func `a path too long for a socket is refused`() throws {
        let long = folder.appending("run").appending(String(repeating: "x", count: 100))
        #expect(code { try NBDServer().listen(at: long, exports: [export]) } == .invalidAddress)
    }

    @Test func `a successor's socket is not removed`() throws {
        let server = NBDServer()
        try server.listen(at: path, exports: [export])
        try FileManager.default.removeItem(atPath: path.string)
        let successor = NBDServer()
        defer { successor.stop() }
        try successor.listen(at: path, exports: [export])
        server.stop()
        #expect(try RawClient(path.string).start().flush() == 0)
    }

    @Test func `stopping finishes the requests that have arrived and tells of every end`() throws {
        let ends = Shared(Mutex<[ConnectionEnd]>([]), Atomic(0))
        let server = NBDServer { end in ends.first.withLock { $0.append(end) } }
        let device = MemoryDevice(size: 1 << 20)
        try server.listen(at: path, exports: [Export(device)])
        let clients = try (0..<4).map { _ in try RawClient(path.string).start() }
        for (index, client) in clients.enumerated() {
            for cookie in 0..<8 as Range<UInt64> {
                try client.sendRequest(
                    1, cookie: cookie, offset: (UInt64(index) * 8 + cookie) * 512, length: 512,
                    payload: [UInt8](repeating: 1, count: 512))
            }
            try client.sendRequest(3, cookie: 8)
        }
        server.stop()
        #expect(server.connectionCount == 0)
        #expect(device.bytes.prefix(32 * 512).allSatisfy { $0 == 1 })
        for client in clients {
            let cookies = try (0...8).map { _ in try client.receiveReply().cookie }
            #expect(cookies == Array(0...8))
            #expect(client.isClosedByServer())
        }
        #expect(ends.first.withLock { $0 }.map(\.reason) == [.stopped, .stopped, .stopped, .stopped])
        #expect(code { try server.listen(at: path, exports: [export]) } == .stopped)
        let (one, two) = try RawClient.socketPair()
        #expect(code { try server.serve(connection: two, export: export) } == .stopped)
        #expect(RawClient(one.rawValue).isClosedByServer())
    }

    @Test func `a client that takes no replies is cut off by the stop`() throws {
        let server = NBDServer()
        let client = try RawClient(server, export).start()
        // More replies than a socket's buffers hold.
        for cookie in 0..<16 as Range<UInt64> {
            try client.sendRequest(0, flags: 4, cookie: cookie, length: 1 << 20)
        }
        server.stop(within: .milliseconds(10))
        #expect(server.connectionCount == 0)
    }

    @Test func `one connection can be stopped by itself`() throws {
        let server = NBDServer()
        let (ours, theirs) = try RawClient.socketPair()
        let connection = try server.serve(connection: theirs, export: export)
        let client = try RawClient(ours.rawValue).start()
        let other = try RawClient(server, export).start()
        connection.stop()
        #expect(connection.waitUntilClosed() == .init(connection: connection.id, reason: .stopped))
        #expect(client.isClosedByServer())
        #expect(try other.flush() == 0)
    }

    @Test func `what is no stream socket is refused and closed`() throws {
        let (reading, writing) = try FileDescriptor.pipe()
        defer { try? reading.close() }
        #expect(code { try NBDServer().serve(connection: writing, export: export) } == .system)
        #expect(throws: Errno.badFileDescriptor) { try writing.close() }
    }

    @Test func `further clients wait until one has gone`() throws {
        let server = NBDServer(limits: Limits(connections: 2))
        defer { server.stop() }
        try server.listen(at: path, exports: [export])
        var clients = try (0..<2).map { _ in try RawClient(path.string).start() }
        let waiting = try RawClient(path.string)
        #expect(server.connectionCount == 2)
        clients.removeLast()
        #expect(try waiting.start().flush() == 0)
        #expect(try clients[0].flush() == 0)
    }
}

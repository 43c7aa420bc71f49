// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import NBD
import SystemPackage
import Testing

/// A client that sends any bytes at all, and reads replies field by field.
final class RawClient: Sendable {
    struct ClosedError: Error {}

    let descriptor: CInt

    /// Takes a connected socket over.
    init(_ descriptor: CInt) {
        self.descriptor = descriptor
        // A server that never answers fails the test instead of hanging it.
        var time = timeval(tv_sec: 120, tv_usec: 0)
        unsafe setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &time, socklen_t(MemoryLayout<timeval>.size))
    }

    /// Connects to a Unix socket.
    convenience init(_ path: String) throws {
        let descriptor = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: bytes) }
        let result = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                unsafe connect(descriptor, pointer, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard result == 0 else {
            let error = Errno(rawValue: errno)
            close(descriptor)
            throw error
        }
        self.init(descriptor)
    }

    /// Connects to an export by a socket pair, as an inherited descriptor would be.
    convenience init(_ server: NBDServer, _ export: Export) throws {
        let (ours, theirs) = try Self.socketPair()
        try server.serve(connection: theirs, export: export)
        self.init(ours.rawValue)
    }

    static func socketPair() throws -> (FileDescriptor, FileDescriptor) {
        var pair: [CInt] = [-1, -1]
        try #require(unsafe socketpair(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0, &pair) == 0)
        return (FileDescriptor(rawValue: pair[0]), FileDescriptor(rawValue: pair[1]))
    }

    deinit {
        close(descriptor)
    }
}

// MARK: - Bytes

extension RawClient {
    func send(_ bytes: [UInt8]) throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = unsafe rest.withUnsafeBytes { bytes in
                unsafe Glibc.send(descriptor, bytes.baseAddress, bytes.count, CInt(MSG_NOSIGNAL))
            }
            guard count > 0 else {
                throw ClosedError()
            }
            rest = rest.dropFirst(count)
        }
    }

    func receive(_ count: Int) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var done = 0
        while done < count {
            let received = unsafe bytes.withUnsafeMutableBytes { bytes in
                unsafe recv(descriptor, bytes.baseAddress?.advanced(by: done), count - done, 0)
            }
            guard received > 0 else {
                throw ClosedError()
            }
            done += received
        }
        return bytes
    }

    /// Whether the server closes the connection, whatever it still sends before.
    func isClosedByServer() -> Bool {
        do {
            while true {
                _ = try receive(1)
            }
        } catch {
            return error is ClosedError && errno != EAGAIN
        }
    }

    func shutDownSending() {
        shutdown(descriptor, CInt(SHUT_WR))
    }
}

// MARK: - Handshake

extension RawClient {
    struct OptionReply: Equatable {
        var option: UInt32
        var type: UInt32
        var data: [UInt8]
    }

    /// Reads the greeting and answers it.
    func greet(flags: UInt32 = 3) throws {
        let greeting = try receive(18)
        #expect(greeting == Array("NBDMAGICIHAVEOPT".utf8) + [0, 3])
        try send(flags.bytes)
    }

    func sendOption(_ option: UInt32, _ data: [UInt8] = []) throws {
        try send(Array("IHAVEOPT".utf8) + option.bytes + UInt32(data.count).bytes + data)
    }

    func receiveOptionReply() throws -> OptionReply {
        let head = try receive(20)
        #expect(head.prefix(8) == [0, 3, 0xe8, 0x89, 4, 0x55, 0x65, 0xa9])
        let length = UInt32(head[16..<20])
        return OptionReply(option: UInt32(head[8..<12]), type: UInt32(head[12..<16]), data: try receive(Int(length)))
    }

    /// Sends an option and reads its replies up to the one that ends it.
    func negotiate(_ option: UInt32, _ data: [UInt8] = []) throws -> [OptionReply] {
        try sendOption(option, data)
        var replies: [OptionReply] = []
        repeat {
            replies.append(try receiveOptionReply())
        } while replies.last.map { $0.type != 1 && $0.type < 1 << 31 } ?? true
        return replies
    }

    /// Goes through a whole handshake.
    @discardableResult
    func start(structured: Bool = true, allocation: Bool = false) throws -> RawClient {
        try greet()
        if structured {
            #expect(try negotiate(8).last?.type == 1)
        }
        if allocation {
            let query = Array("base:allocation".utf8)
            #expect(try negotiate(10, UInt32(0).bytes + UInt32(1).bytes + UInt32(15).bytes + query).last?.type == 1)
        }
        #expect(try negotiate(7, UInt32(0).bytes + UInt16(0).bytes).last?.type == 1)
        return self
    }
}

// MARK: - Transmission

extension RawClient {
    /// A reply, its chunks put together.
    struct Reply: Equatable {
        var cookie: UInt64
        var error: UInt32 = 0
        /// The chunks' types and payloads.
        var chunks: [Chunk] = []
    }

    struct Chunk: Equatable {
        var type: UInt16
        var payload: [UInt8]
    }

    func sendRequest(
        _ command: UInt16, flags: UInt16 = 0, cookie: UInt64 = 0, offset: UInt64 = 0, length: UInt32 = 0,
        payload: [UInt8] = []
    ) throws {
        try send(Self.request(command, flags: flags, cookie: cookie, offset: offset, length: length) + payload)
    }

    static func request(
        _ command: UInt16, flags: UInt16 = 0, cookie: UInt64 = 0, offset: UInt64 = 0, length: UInt32 = 0
    ) -> [UInt8] {
        UInt32(0x2560_9513).bytes + flags.bytes + command.bytes + cookie.bytes + offset.bytes + length.bytes
    }

    /// Reads a reply that carries no data unless it comes in chunks.
    func receiveReply() throws -> Reply {
        let magic = UInt32(try receive(4)[...])
        guard magic == 0x668e_33ef else {
            #expect(magic == 0x6744_6698)
            let error = UInt32(try receive(4)[...])
            return Reply(cookie: UInt64(try receive(8)[...]), error: error)
        }
        var reply = Reply(cookie: 0)
        var isDone = false
        while !isDone {
            let head = try receive(16)
            isDone = head[1] & 1 == 1
            reply.cookie = UInt64(head[4..<12])
            let chunk = Chunk(
                type: UInt16(truncatingIfNeeded: UInt32([0, 0, head[2], head[3]])),
                payload: try receive(Int(UInt32(head[12..<16]))))
            if chunk.type >= 1 << 15 {
                reply.error = UInt32(chunk.payload[0..<4])
            }
            reply.chunks.append(chunk)
            if !isDone {
                #expect(UInt32(try receive(4)[...]) == 0x668e_33ef)
            }
        }
        return reply
    }

    /// Sends a request and reads the next reply, which must be its own.
    func perform(
        _ command: UInt16, flags: UInt16 = 0, offset: UInt64 = 0, length: UInt32 = 0, payload: [UInt8] = []
    ) throws -> Reply {
        let cookie = UInt64.random(in: 0...UInt64.max)
        try sendRequest(
            command, flags: flags, cookie: cookie, offset: offset, length: length, payload: payload)
        let reply = try receiveReply()
        #expect(reply.cookie == cookie)
        return reply
    }

    /// Writes and gives the error.
    func write(_ bytes: [UInt8], at offset: UInt64, flags: UInt16 = 0) throws -> UInt32 {
        try perform(1, flags: flags, offset: offset, length: UInt32(bytes.count), payload: bytes).error
    }

    /// Reads over a connection with structured replies.
    func read(_ count: Int, at offset: UInt64) throws -> [UInt8] {
        let reply = try perform(0, offset: offset, length: UInt32(count))
        #expect(reply.error == 0)
        var bytes = [UInt8](repeating: 0xee, count: count)
        for chunk in reply.chunks {
            let start = Int(UInt64(chunk.payload[0..<8]) - offset)
            let data =
                chunk.type == 1
                ? Array(chunk.payload[8...]) : [UInt8](repeating: 0, count: Int(UInt32(chunk.payload[8..<12])))
            bytes.replaceSubrange(start..<start + data.count, with: data)
        }
        return bytes
    }

    func flush() throws -> UInt32 {
        try perform(3).error
    }
}

extension FixedWidthInteger {
    /// The number in network order.
    var bytes: [UInt8] {
        (0..<Self.bitWidth / 8).reversed().map { UInt8(truncatingIfNeeded: self >> ($0 * 8)) }
    }

    /// A number in network order.
    init(_ bytes: some Sequence<UInt8>) where Self: UnsignedInteger {
        self = bytes.reduce(0) { $0 << 8 | Self(truncatingIfNeeded: $1) }
    }
}

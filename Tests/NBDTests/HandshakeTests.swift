// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import NBD
import StorageTestSupport
import SystemPackage
import Testing

@Suite struct `The handshake` {
    let server = NBDServer()
    let export = Export(MemoryDevice(size: 1 << 20), name: "disk", summary: "a disk")

    /// The transmission flags of a writable export: everything but READ_ONLY, ROTATIONAL and RESIZE.
    private static let flags: UInt16 = 0b1101_1110_1101

    private func client() throws -> RawClient {
        let client = try RawClient(server, export)
        try client.greet()
        return client
    }

    private func request(_ name: String, _ kinds: [UInt16] = []) -> [UInt8] {
        UInt32(name.utf8.count).bytes + Array(name.utf8) + UInt16(kinds.count).bytes + kinds.flatMap(\.bytes)
    }

    @Test func `GO tells size, flags, block sizes, name and description`() throws {
        let client = try client()
        #expect(try client.negotiate(8) == [.init(option: 8, type: 1, data: [])])
        let replies = try client.negotiate(7, request("disk", [1, 2]))
        #expect(
            replies == [
                .init(option: 7, type: 3, data: [0, 0] + UInt64(1 << 20).bytes + Self.flags.bytes),
                .init(
                    option: 7, type: 3,
                    data: [0, 3] + UInt32(512).bytes + UInt32(4096).bytes + UInt32(32 << 20).bytes),
                .init(option: 7, type: 3, data: [0, 1] + Array("disk".utf8)),
                .init(option: 7, type: 3, data: [0, 2] + Array("a disk".utf8)),
                .init(option: 7, type: 1, data: []),
            ])
        #expect(try client.read(512, at: 0) == [UInt8](repeating: 0, count: 512))
    }

    @Test func `a read-only export says so and takes no writes`() throws {
        let client = try RawClient(server, Export(MemoryDevice(size: 1 << 20, isReadOnly: true)))
        try client.greet()
        let info = try client.negotiate(7, request(""))[0].data
        #expect(UInt16(info[10..<12]) == 0b101_0000_0111)
        #expect(try client.write([UInt8](repeating: 1, count: 512), at: 0) == 1)
        #expect(try client.perform(4, length: 512).error == 1)
        #expect(try client.perform(6, length: 512).error == 1)
        #expect(try client.flush() == 0)
    }

    @Test func `INFO describes an export and the handshake goes on`() throws {
        let client = try client()
        #expect(try client.negotiate(6, request("")).map(\.type) == [3, 3, 1])
        #expect(try client.negotiate(6, request("other")).map(\.type) == [0x8000_0006])
        #expect(try client.negotiate(7, request("other")).map(\.type) == [0x8000_0006])
        #expect(try client.negotiate(7, request("disk")).last?.type == 1)
    }

    @Test func `LIST names every export`() throws {
        let served = try ServedExport(MemoryDevice(size: 512))
        let second = NBDServer()
        defer { second.stop() }
        let path = served.folder.appending("run/two")
        try second.listen(
            at: path, exports: ["a", "b"].map { Export(MemoryDevice(size: 512), name: $0) })
        let client = try RawClient(path.string)
        try client.greet()
        #expect(
            try client.negotiate(3) == [
                .init(option: 3, type: 2, data: [0, 0, 0, 1, 0x61]),
                .init(option: 3, type: 2, data: [0, 0, 0, 1, 0x62]),
                .init(option: 3, type: 1, data: []),
            ])
        #expect(try client.negotiate(7, request("")).last?.type == 1)
    }

    @Test(arguments: [false, true])
    func `EXPORT_NAME starts at once, padded unless agreed otherwise`(noZeroes: Bool) throws {
        let client = try RawClient(server, export)
        try client.greet(flags: noZeroes ? 3 : 1)
        try client.sendOption(1, Array("disk".utf8))
        let reply = try client.receive(noZeroes ? 10 : 134)
        #expect(Array(reply.prefix(10)) == UInt64(1 << 20).bytes + (Self.flags & ~(1 << 7)).bytes)
        #expect(reply.dropFirst(10).allSatisfy { $0 == 0 })
        try client.sendRequest(0, cookie: 5, length: 512)
        #expect(try client.receiveReply() == .init(cookie: 5))
        #expect(try client.receive(512).allSatisfy { $0 == 0 })
    }

    @Test func `EXPORT_NAME of no export ends the connection`() throws {
        let client = try client()
        try client.sendOption(1, Array("other".utf8))
        #expect(client.isClosedByServer())
    }

    @Test func `ABORT is acknowledged and ends the connection`() throws {
        let client = try client()
        #expect(try client.negotiate(2) == [.init(option: 2, type: 1, data: [])])
        #expect(client.isClosedByServer())
    }

    @Test(arguments: [5, 11, 4, 99, UInt32.max] as [UInt32])
    func `an unknown option is refused and the handshake goes on`(option: UInt32) throws {
        let client = try client()
        #expect(try client.negotiate(option, [1, 2, 3]).map(\.type) == [0x8000_0001])
        #expect(try client.negotiate(7, request("")).last?.type == 1)
    }

    @Test func `meta contexts are listed and chosen as asked`() throws {
        let client = try client()
        func queries(_ queries: [String]) -> [UInt8] {
            UInt32(4).bytes + Array("disk".utf8) + UInt32(queries.count).bytes
                + queries.flatMap { UInt32($0.utf8.count).bytes + Array($0.utf8) }
        }
        let base = Array("base:allocation".utf8)
        #expect(try client.negotiate(9, queries([])).map(\.type) == [0x8000_0003])
        _ = try client.negotiate(8)
        for query in [[], ["base:"], ["x:y", "base:allocation"]] {
            let replies = try client.negotiate(9, queries(query))
            #expect(replies.map(\.type) == [4, 1] && Array(replies[0].data.dropFirst(4)) == base, "\(query)")
        }
        #expect(try client.negotiate(9, queries(["x:y"])).map(\.type) == [1])
        #expect(try client.negotiate(10, queries(["base:"])).map(\.type) == [1])
        #expect(try client.negotiate(10, queries([])).map(\.type) == [1])
        #expect(try client.negotiate(10, queries(["base:allocation"])).map(\.data) == [UInt32(1).bytes + base, []])
        #expect(try client.negotiate(7, request("")).last?.type == 1)
        let status = try client.perform(7, offset: 512, length: 1024)
        #expect(status.chunks == [.init(type: 5, payload: UInt32(1).bytes + UInt32(1024).bytes + UInt32(3).bytes)])
    }

    @Test func `a choice of meta context is forgotten by a later empty one`() throws {
        let client = try client()
        _ = try client.negotiate(8)
        let query = UInt32(15).bytes + Array("base:allocation".utf8)
        _ = try client.negotiate(10, UInt32(0).bytes + UInt32(1).bytes + query)
        _ = try client.negotiate(10, UInt32(0).bytes + UInt32(0).bytes)
        _ = try client.negotiate(7, request(""))
        #expect(try client.perform(7, length: 512).error == 22)
    }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import NBD
import StorageTestSupport
import Testing

@Suite struct `Malformed messages` {
    /// A new seed each time, or the one that `FERMATA_SEED` gives.
    static let seed =
        ProcessInfo.processInfo.environment["FERMATA_SEED"].flatMap(UInt64.init) ?? UInt64.random(in: 0...UInt64.max)

    let server = NBDServer()
    let device = MemoryDevice(size: 1 << 20)
    let export: Export
    let bystander: Bystander

    init() throws {
        export = Export(device)
        bystander = try Bystander(RawClient(server, export).start(), at: 512 << 10)
    }

    /// Good messages, of which the fuzz takes parts and changes bytes.
    private static func option(_ code: UInt32, _ data: [UInt8]) -> [UInt8] {
        Array("IHAVEOPT".utf8) + code.bytes + UInt32(data.count).bytes + data
    }

    private static let options: [[UInt8]] = [
        option(1, Array("x".utf8)), option(2, []), option(3, []), option(6, [0, 0, 0, 0, 0, 0]),
        option(7, [0, 0, 0, 0, 0, 2, 0, 1, 0, 3]), option(8, []), option(5, []),
        option(9, UInt32(0).bytes + UInt32(1).bytes + UInt32(5).bytes + Array("base:".utf8)),
        option(10, UInt32(0).bytes + UInt32(1).bytes + UInt32(15).bytes + Array("base:allocation".utf8)),
    ]

    private func mutate(_ message: [UInt8], with random: inout SeededGenerator) -> [UInt8] {
        var message = message
        for _ in 0..<Int.random(in: 0...3, using: &random) where !message.isEmpty {
            let index = Int.random(in: message.indices, using: &random)
            switch Int.random(in: 0..<5, using: &random) {
            case 0: message[index] = UInt8.random(in: 0...255, using: &random)
            case 1: message[index] ^= 1 << UInt8.random(in: 0..<8, using: &random)
            case 2: message[index] = [0, 0x7f, 0x80, 0xff].randomElement(using: &random) ?? 0
            case 3: message.remove(at: index)
            default: message.insert(UInt8.random(in: 0...255, using: &random), at: index)
            }
        }
        return message
    }

    @Test func `no handshake hurts the server`() throws {
        print("seed \(Self.seed)")
        var random = SeededGenerator(seed: Self.seed)
        for _ in 0..<1500 {
            let client = try RawClient(server, export)
            var bytes = mutate(UInt32(3).bytes, with: &random)
            for _ in 0..<Int.random(in: 1...6, using: &random) {
                bytes += mutate(Self.options.randomElement(using: &random) ?? [], with: &random)
            }
            // The server may have closed already; all that counts is how it fares.
            try? client.send(bytes)
            client.shutDownSending()
            #expect(client.isClosedByServer(), "seed \(Self.seed)")
        }
        try bystander.stop()
        server.stop()
        #expect(server.connectionCount == 0)
    }

    @Test func `no request hurts the server`() throws {
        print("seed \(Self.seed)")
        var random = SeededGenerator(seed: Self.seed)
        for _ in 0..<500 {
            let client = try RawClient(server, export).start(allocation: Bool.random(using: &random))
            var bytes: [UInt8] = []
            for cookie in 0..<UInt64.random(in: 1...12, using: &random) {
                // Changes stay in the lower half; the upper one is the bystander's.
                let command = UInt16.random(in: 0...8, using: &random)
                let length = [512, 4096, 65536, 0, 100, 1 << 20].randomElement(using: &random) ?? 0
                let offset = UInt64.random(in: 0..<512, using: &random) * 512
                let changes = [1, 4, 6].contains(command)
                let inside = changes ? min(length, (512 << 10) - Int(offset)) : length
                bytes += mutateTail(
                    RawClient.request(
                        command,
                        flags: Bool.random(using: &random) ? 0 : UInt16(1) << UInt16.random(in: 0..<6, using: &random),
                        cookie: cookie, offset: offset, length: UInt32(inside)), changes, with: &random)
                if command == 1 {
                    bytes += [UInt8](repeating: 7, count: inside)
                }
            }
            let sender = Background { [bytes] in
                try? client.send(bytes)
                client.shutDownSending()
            }
            #expect(client.isClosedByServer(), "seed \(Self.seed)")
            _ = try sender.value()
        }
        try bystander.stop()
        server.stop()
        #expect(server.connectionCount == 0)
    }

    /// Changes a request's bytes; those of one that changes the disk only where its range stays.
    private func mutateTail(_ request: [UInt8], _ changes: Bool, with random: inout SeededGenerator) -> [UInt8] {
        var request = request
        guard Int.random(in: 0..<4, using: &random) == 0 else {
            return request
        }
        let index = Int.random(in: changes ? 0..<4 : 8..<28, using: &random)
        request[index] ^= UInt8.random(in: 1...255, using: &random)
        return request
    }
}

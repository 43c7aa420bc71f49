// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import NBD
import Synchronization

/// Clients that break the protocol, two at a time and in every way, until they are told to leave.
final class BadCompany: Sendable {
    private let isLeaving: Shared<Atomic<Bool>, Atomic<Int>>
    private let members: [Background<Void>]

    /// Comes to a socket.
    init(_ socket: String) {
        let isLeaving = Shared(Atomic(false), Atomic(0))
        self.isLeaving = isLeaving
        let deeds: [@Sendable () throws -> Void] = [
            // Bad magic, before and after the handshake.
            { try RawClient(socket).send([UInt8](repeating: 0x41, count: 4096)) },
            {
                let client = try RawClient(socket).start()
                try client.send([UInt8](repeating: 0x41, count: 4096))
                _ = client.isClosedByServer()
            },
            // An option of 2^32 - 1 bytes.
            {
                let client = try RawClient(socket)
                try client.greet()
                try client.send(Array("IHAVEOPT".utf8) + UInt32(7).bytes + UInt32.max.bytes)
                _ = client.isClosedByServer()
            },
            // A flood of unknown options.
            {
                let client = try RawClient(socket)
                try client.greet()
                while true { try client.sendOption(UInt32.random(in: 100...UInt32.max), [1, 2, 3]) }
            },
            // A write beyond the end, and the replies taken.
            {
                let client = try RawClient(socket).start()
                let sector = [UInt8](repeating: 0xff, count: 512)
                for _ in 0..<10 { _ = try client.write(sector, at: 1 << 40) }
            },
            // Half a request; half a payload.
            { try RawClient(socket).start().send(Array(RawClient.request(1, length: 4096).prefix(17))) },
            {
                let client = try RawClient(socket).start()
                try client.sendRequest(1, length: 1 << 20, payload: [UInt8](repeating: 0xff, count: 700_000))
            },
            // Requests of 64 MiB.
            {
                let client = try RawClient(socket).start()
                _ = try client.perform(0, length: 64 << 20)
                try client.sendRequest(1, length: 64 << 20)
                _ = client.isClosedByServer()
            },
            // Many connections, most of which say nothing.
            {
                var clients: [RawClient] = []
                for index in 0..<300 {
                    clients.append(try RawClient(socket))
                    if index % 50 == 0 { try clients[index].greet() }
                }
            },
            // Replies that are taken slowly, and then not at all.
            {
                let client = try RawClient(socket).start()
                for cookie in 0..<32 as Range<UInt64> {
                    try client.sendRequest(0, cookie: cookie, length: 4 << 20)
                }
                for _ in 0..<1000 { _ = try client.receive(100) }
            },
        ]
        members = [0, deeds.count / 2].map { first in
            Background {
                var index = first
                // Each deed is done once at least.
                while !isLeaving.first.load(ordering: .relaxed) || index < first + deeds.count {
                    // Being thrown out is what they are here for.
                    try? deeds[index % deeds.count]()
                    index += 1
                }
            }
        }
    }

    /// Leaves, once everything has been done at least once.
    func leave() throws {
        isLeaving.first.store(true, ordering: .relaxed)
        for member in members { try member.value() }
    }
}

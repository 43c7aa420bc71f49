// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import NBD
import Synchronization
import Testing

/// A client that works through a connection of its own all the time, and must notice nothing of what others do.
final class Bystander: Sendable {
    struct DisturbedError: Error {
        var round: UInt64
        var error: UInt32
        var found: [UInt8]
    }

    private let isStopped: Shared<Atomic<Bool>, Mutex<Int>>
    private let work: Background<Void>

    /// Starts to write and read back at an offset that is its own.
    init(_ client: RawClient, at offset: UInt64) throws {
        let isStopped = Shared(Atomic(false), Mutex(0))
        self.isStopped = isStopped
        work = Background { () throws -> Void in
            var round: UInt64 = 0
            while !isStopped.first.load(ordering: .relaxed) {
                round += 1
                let data = (0..<64).flatMap { _ in round.bytes }
                let error = try client.write(data, at: offset, flags: round % 16 == 0 ? 1 : 0)
                let found = try client.read(512, at: offset)
                guard error == 0, found == data else {
                    throw DisturbedError(round: round, error: error, found: found)
                }
                isStopped.second.withLock { $0 += 1 }
            }
        }
    }

    /// Ends the work, which must have gone well up to here.
    func stop(sourceLocation: SourceLocation = #_sourceLocation) throws {
        let rounds = isStopped.second.withLock { $0 }
        while isStopped.second.withLock({ $0 }) < rounds + 10, !work.hasEnded {}
        isStopped.first.store(true, ordering: .relaxed)
        #expect(throws: Never.self, sourceLocation: sourceLocation) { try work.value() }
    }
}

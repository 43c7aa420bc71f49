// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

internal import BlockStorage

extension Transmission {
    /// WRITE: takes the payload in whole, so that a client that leaves within it changes nothing, and writes it.
    ///
    /// A payload longer than the largest buffer is taken piece by piece, so that no client takes much memory.
    mutating func write(_ request: Request, _ channel: inout Channel) throws(NBDError) {
        guard request.length <= BlockSize.maximum else {
            throw violation("the client sent a WRITE of \(request.length) bytes", channel)
        }
        let count = Int(request.length)
        guard count <= Channel.largestCapacity else {
            try writeInPieces(request, &channel)
            return
        }
        try channel.require(count)
        do throws(ErrorNumber) {
            _ = try check(request, .write, writing: true)
            if WriteThread.lengths.contains(count), !request.flags.contains(.fua), channel.isMoreWaiting(after: count),
                let thread = writes(channel)
            {
                let (buffer, start) = channel.give(count, for: thread.takeSpare())
                thread.submit(WriteThread.Write(request: request, buffer: buffer, start: start))
                return
            }
            try withDevice(writing: true, &channel) { device, channel throws(StorageError) in
                try channel.withAvailable(count) { bytes throws(StorageError) in
                    try device.write(bytes, at: request.offset)
                }
            }
        } catch {
            channel.consume(count)
            try reply(to: request, error, &channel)
            return
        }
        channel.consume(count)
        try replyAfterChange(to: request, &channel)
    }

    private mutating func writeInPieces(_ request: Request, _ channel: inout Channel) throws(NBDError) {
        var failure: ErrorNumber?
        do throws(ErrorNumber) { _ = try check(request, .write, writing: true) } catch { failure = error }
        var done: UInt32 = 0
        while done < request.length {
            let count = min(request.length - done, UInt32(Channel.largestCapacity))
            try channel.require(Int(count))
            if failure == nil {
                do throws(ErrorNumber) {
                    try withDevice(writing: true, &channel) { device, channel throws(StorageError) in
                        try channel.withAvailable(Int(count)) { bytes throws(StorageError) in
                            try device.write(bytes, at: request.offset + UInt64(done))
                        }
                    }
                } catch {
                    failure = error
                }
            }
            channel.consume(Int(count))
            done += count
        }
        if let failure {
            try reply(to: request, failure, &channel)
        } else {
            try replyAfterChange(to: request, &channel)
        }
    }

    /// Replies to a request that has changed the disk: with FUA, once the change is durable.
    mutating func replyAfterChange(to request: Request, _ channel: inout Channel) throws(NBDError) {
        if request.flags.contains(.fua) {
            try replyWhenDurable(to: request, &channel)
        } else {
            try reply(to: request, &channel)
        }
    }
}

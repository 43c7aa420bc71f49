// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

internal import BlockStorage

extension Transmission {
    /// WRITE: takes the payload in whole, so that a client that leaves within it changes nothing, and writes it.
    mutating func write(_ request: Request, _ channel: inout Channel) throws(NBDError) {
        guard request.length <= BlockSize.maximum else {
            throw violation("the client sent a WRITE of \(request.length) bytes", channel)
        }
        let count = Int(request.length)
        try channel.require(count)
        do throws(ErrorNumber) {
            _ = try check(request, .write, writing: true)
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

    /// Replies to a request that has changed the disk: with FUA, once the change is durable.
    mutating func replyAfterChange(to request: Request, _ channel: inout Channel) throws(NBDError) {
        if request.flags.contains(.fua) {
            try replyWhenDurable(to: request, &channel)
        } else {
            try reply(to: request, &channel)
        }
    }
}

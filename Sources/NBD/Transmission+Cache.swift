// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

internal import BlockStorage

extension Transmission {
    /// CACHE: reads the bytes, so that the host's own cache has them.
    func cache(_ request: Request, _ channel: inout Channel) throws(NBDError) {
        do throws(ErrorNumber) {
            let range = try check(request, .cache)
            try withDevice(writing: false, &channel) { device, channel throws(StorageError) in
                var position = range.lowerBound
                while position < range.upperBound {
                    let count = Int(min(range.upperBound - position, UInt64(channel.free)))
                    let mark = channel.pending
                    try channel.append(count) { buffer throws(StorageError) in
                        try device.read(into: &buffer, at: position)
                    }
                    channel.rewind(to: mark)
                    position += UInt64(count)
                }
            }
        } catch {
            try reply(to: request, error, &channel)
            return
        }
        try reply(to: request, &channel)
    }
}

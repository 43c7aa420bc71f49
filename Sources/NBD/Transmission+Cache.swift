// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

internal import BlockStorage

extension Transmission {
    /// What is read at a time: nobody who waits for the export waits for all of a long CACHE.
    private static let cachedLength: UInt64 = 128 << 10

    /// CACHE: reads the bytes, so that the host's own cache has them.
    func cache(_ request: Request, _ channel: inout Channel) throws(NBDError) {
        // What is read passes through the room behind the replies that wait.
        try channel.reserve(Int(Self.cachedLength))
        do throws(ErrorNumber) {
            let range = try check(request, .cache)
            var position = range.lowerBound
            while position < range.upperBound {
                let count = Int(min(range.upperBound - position, Self.cachedLength))
                let mark = channel.position
                try withDevice(writing: false, &channel) { device, channel throws(StorageError) in
                    try channel.append(count) { buffer throws(StorageError) in
                        try device.read(into: &buffer, at: position)
                    }
                }
                channel.rewind(to: mark)
                position += UInt64(count)
            }
        } catch {
            try reply(to: request, error, &channel)
            return
        }
        try reply(to: request, &channel)
    }
}

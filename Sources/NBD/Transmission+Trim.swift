// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

internal import BlockStorage

extension Transmission {
    /// TRIM: tells the device that the bytes are no longer needed.
    mutating func trim(_ request: Request, _ channel: inout Channel) throws(NBDError) {
        do throws(ErrorNumber) {
            let range = try check(request, .trim, writing: true)
            try withDevice(writing: true, &channel) { device, _ throws(StorageError) in
                try device.discard(range)
            }
        } catch {
            try reply(to: request, error, &channel)
            return
        }
        try replyAfterChange(to: request, &channel)
    }
}

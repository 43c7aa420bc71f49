// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

extension Transmission {
    /// FLUSH: replies once every write that was replied to on any connection is durable.
    mutating func flush(_ request: Request, _ channel: inout Channel) throws(NBDError) {
        guard request.flags.isSubset(of: Command.flush.knownFlags), request.offset == 0, request.length == 0 else {
            try reply(to: request, .invalid, &channel)
            return
        }
        try replyWhenDurable(to: request, &channel)
    }
}

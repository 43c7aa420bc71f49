// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

extension Handshake {
    /// `STRUCTURED_REPLY`: from now on, replies may come in chunks.
    mutating func structuredReply(_ data: OptionData, _ channel: inout Channel) throws(NBDError) -> Step {
        guard data.isAtEnd else {
            return try refuse(.structuredReply, "STRUCTURED_REPLY carries no data", &channel)
        }
        structuredReplies = true
        return try acknowledge(.structuredReply, &channel)
    }
}

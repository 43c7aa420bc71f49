// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

extension Handshake {
    /// `ABORT`: ends the session.
    func abort(_ channel: inout Channel) throws(NBDError) -> Step {
        _ = try acknowledge(.abort, &channel)
        // A client that aborts need not wait for the reply.
        try? channel.send()
        return .end
    }
}

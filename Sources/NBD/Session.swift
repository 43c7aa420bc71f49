// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

/// What the handshake of one connection has agreed on.
struct Session: Sendable {
    /// The export that the client chose.
    var export: Export
    /// Whether replies come in chunks.
    var structuredReplies: Bool
    /// Whether BLOCK_STATUS tells of `base:allocation`.
    var tellsAllocation: Bool
}

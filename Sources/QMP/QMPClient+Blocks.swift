// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

extension QMPClient {
    /// Adds a block node.
    public func addBlockNode(_ options: JSONValue) async throws(QMPError) {
        _ = try await execute("blockdev-add", options)
    }

    /// Removes a block node that nothing uses.
    public func removeBlockNode(_ name: String) async throws(QMPError) {
        _ = try await execute("blockdev-del", ["node-name": .string(name)])
    }
}

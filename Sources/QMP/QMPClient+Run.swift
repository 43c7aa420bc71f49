// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

extension QMPClient {
    /// Whether the processors run.
    public func isRunning() async throws(QMPError) -> Bool {
        try await execute("query-status")["running"]?.bool ?? false
    }

    /// Stops the processors, and returns when every disk has been drained and flushed.
    public func stop() async throws(QMPError) {
        _ = try await execute("stop")
    }

    /// Lets the processors go on.
    public func resume() async throws(QMPError) {
        _ = try await execute("cont")
    }

    /// Presses the power button.
    public func powerDown() async throws(QMPError) {
        _ = try await execute("system_powerdown")
    }

    /// Resets the machine.
    public func reset() async throws(QMPError) {
        _ = try await execute("system_reset")
    }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// What the session does with a command's output and for its input.
///
/// It is called on the thread that reads the channel, which also drains it in a pause: only ``waitForRoom()`` may wait.
protocol CommandEnd: AnyObject, Sendable {
    /// Takes what the command wrote.
    func take(_ bytes: [UInt8], isError: Bool)

    /// The command has taken so many bytes of its input.
    func credit(_ count: Int)

    /// Waits until more may come.
    func waitForRoom()

    /// The command runs: its input can be sent by this.
    func begin(_ send: @escaping @Sendable (GuestFrame.Kind, [UInt8]) -> Void)

    /// Whether it has input to send.
    var hasInput: Bool { get }

    /// Whether the guest is to send no more output than it tells to be taken.
    var limitsOutput: Bool { get }
}

/// Collects a command's output, up to a limit.
final class CommandOutput: CommandEnd {
    private let limit: Int
    private let state = Mutex(CommandResult(exitCode: 0, standardOutput: [], standardError: []))

    init(limit: Int) {
        self.limit = limit
    }

    var hasInput: Bool { false }
    var limitsOutput: Bool { false }

    func result(exitCode: Int) -> CommandResult {
        state.withLock { result in
            result.exitCode = exitCode
            return result
        }
    }

    func take(_ bytes: [UInt8], isError: Bool) {
        state.withLock { result in
            let room = limit - (isError ? result.standardError.count : result.standardOutput.count)
            if isError {
                result.standardError += bytes.prefix(room)
            } else {
                result.standardOutput += bytes.prefix(room)
            }
            if bytes.count > room { result.isTruncated = true }
        }
    }

    func credit(_ count: Int) {}

    func waitForRoom() {}

    func begin(_ send: @escaping @Sendable (GuestFrame.Kind, [UInt8]) -> Void) {}
}

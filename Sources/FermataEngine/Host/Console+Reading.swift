// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import Synchronization

extension Console {
    /// How much of what was written before a new reader gets.
    static let lookingBack = 4096

    /// Waits until there is something to read; any number may read, each at its own pace.
    ///
    /// The guest never waits for a reader: one that is too slow is told how much it has lost.
    ///
    /// - Parameter position: from where to read on; nil begins with the last 4 KiB.
    /// - Returns: what was written; without parts once the machine has no power.
    public func read(from position: Int? = nil) async throws -> ConsoleOutput {
        let position = state.withLock { state in
            let latest = max(state.history.first, state.history.end - Self.lookingBack)
            return min(max(position ?? latest, 0), state.history.end)
        }
        while true {
            let (output, isOver) = state.withLock { ($0.history.output(from: position), $0.isOver) }
            if isOver || !output.parts.isEmpty { return output }
            try await waitForMore(than: position)
        }
    }

    private func waitForMore(than position: Int) async throws {
        let id = state.withLock { state in
            state.nextWaiter += 1
            return state.nextWaiter
        }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
                state.withLock { state in
                    if Task.isCancelled {
                        continuation.resume(throwing: CancellationError())
                    } else if state.isOver || state.history.end > position {
                        continuation.resume()
                    } else {
                        state.readers[id] = continuation
                    }
                }
            }
        } onCancel: {
            state.withLock { $0.readers.removeValue(forKey: id) }?.resume(throwing: CancellationError())
        }
    }
}

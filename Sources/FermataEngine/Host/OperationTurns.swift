// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel

/// Lets one operation on a machine happen at a time, in the order in which they were asked for.
///
/// An actor alone does not: another call may enter while one waits for the hypervisor.
struct OperationTurns {
    private var isBusy = false
    private var waiting: [CheckedContinuation<Void, Never>] = []

    /// Takes the turn if nobody has it.
    mutating func takeIfFree() -> Bool {
        guard !isBusy else { return false }
        isBusy = true
        return true
    }

    /// Waits until the turn is handed over.
    mutating func wait(_ continuation: CheckedContinuation<Void, Never>) {
        waiting.append(continuation)
    }

    /// Hands the turn to whoever waits longest.
    mutating func release() {
        if waiting.isEmpty { isBusy = false } else { waiting.removeFirst().resume() }
    }
}

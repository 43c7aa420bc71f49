// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import CSpawn
import Glibc
import QMP
import Synchronization
import SystemPackage

/// A child process, reaped as soon as it ends.
///
/// ```
///   alive ── it ends ──► being taken apart (afterwards runs) ──► gone(status)
/// ```
/// Its process id is used only under the lock that reaping takes, so never for a process that came later.
final class ChildProcess: Sendable {
    /// How a process ended.
    enum Exit: Hashable, Sendable {
        case returned(Int32)
        case signalled(Int32)
    }

    let id: pid_t
    private let state = Mutex(State())
    private let reaper = Mutex<BlockingThread?>(nil)

    private struct State {
        var isReaped = false
        var exit: Exit?
        var waiting: [CheckedContinuation<Exit, Never>] = []
    }

    /// Takes a child over; `afterwards` runs on the reaper's thread once it has ended, before anybody is told.
    init(_ id: pid_t, afterwards: @escaping @Sendable (Exit) -> Void) {
        self.id = id
        let thread = BlockingThread { [self] in reap(afterwards) }
        if thread == nil {
            // Without a thread nobody would ever reap it: end it here and now.
            Glibc.kill(id, SIGKILL)
            reap(afterwards)
        }
        reaper.withLock { $0 = thread }
    }

    private func reap(_ afterwards: @Sendable (Exit) -> Void) {
        _ = fermata_wait(id)
        let exit = state.withLock { state in
            var status: CInt = 0
            var signalled: CInt = 0
            let reaped = unsafe fermata_reap(id, &status, &signalled) == 0
            state.isReaped = true
            guard reaped else { return Exit.returned(-1) }
            return signalled != 0 ? .signalled(status) : .returned(status)
        }
        afterwards(exit)
        let waiting = state.withLock { state in
            state.exit = exit
            defer { state.waiting = [] }
            return state.waiting
        }
        for continuation in waiting { continuation.resume(returning: exit) }
    }

    /// Waits until it is gone and everything around it was taken apart.
    func exit() async -> Exit {
        let exit = await withCheckedContinuation { (continuation: CheckedContinuation<Exit, Never>) in
            let known = state.withLock { state in
                if state.exit == nil { state.waiting.append(continuation) }
                return state.exit
            }
            if let known { continuation.resume(returning: known) }
        }
        let thread = reaper.withLock { slot in
            defer { slot = nil }
            return slot
        }
        thread?.join()
        return exit
    }

    /// Ends it at once, if it is not gone.
    func kill() {
        state.withLock { state in
            if !state.isReaped { _ = Glibc.kill(id, SIGKILL) }
        }
    }

    /// Does something with its process id while that is certainly its own; nil once it is gone.
    func whileUnreaped<Result>(_ body: (pid_t) throws -> Result) rethrows -> Result? {
        try state.withLock { state in state.isReaped ? nil : try body(id) }
    }
}

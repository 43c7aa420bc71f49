// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataEngine
import QMP
import Synchronization

/// Makes a machine's own events of those that its monitor tells.
final class Story: Sendable {
    private let diskNames: [String]
    private let state = Mutex(State())

    private struct State {
        var isExpectedToEnd = false
        /// The disks whose failure was told since the machine went on.
        var failed: Set<String> = []
    }

    init(diskNames: [String]) {
        self.diskNames = diskNames
    }

    /// Whether the process ends because it was asked to, by the host or the guest.
    var isExpectedToEnd: Bool { state.withLock { $0.isExpectedToEnd } }

    func expectEnd() {
        state.withLock { $0.isExpectedToEnd = true }
    }

    /// The machine goes on, so a disk that failed may fail again.
    func resumed() {
        state.withLock { $0.failed = [] }
    }

    /// What an event means for the machine, if anything.
    func tell(_ event: QMPEvent) -> VirtualMachineEvent? {
        let byGuest = event.data["guest"]?.bool ?? false
        switch event.name {
        case "SHUTDOWN" where byGuest:
            expectEnd()
            return .poweredOff
        case "RESET" where byGuest: return .restarted
        case "GUEST_PANICKED": return .panicked
        case "BLOCK_IO_ERROR" where event.data["action"]?.string == "stop":
            let node = event.data["node-name"]?.string ?? ""
            let index = diskNames.indices.first { CommandLine.node($0) == node }
            let name = index.map { diskNames[$0] } ?? node
            return state.withLock { $0.failed.insert(name).inserted } ? .diskFailed(name) : nil
        default: return nil
        }
    }
}

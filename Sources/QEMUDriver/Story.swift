// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataEngine
import QMP
import Synchronization

/// Makes a machine's own events of those that its monitor tells.
final class Story: Sendable {
    /// Within that many microseconds no guest has started and restarted again.
    private static let firmwareTime: Int64 = 1_000_000

    private let diskNames: [String]
    private let state = Mutex(State())

    private struct State {
        var isExpectedToEnd = false
        var isHeld = true
        /// The moment of the last reset that was not the firmware's.
        var lastReset: Int64?
        /// The disks that failed while the machine has yet to stop because of it.
        var failing: [String] = []
        /// The disks whose failure was told since the machine went on.
        var told: Set<String> = []

        /// The failures that can be told: those of a machine that stands.
        mutating func tellFailures() -> [VirtualMachineEvent] {
            guard isHeld else { return [] }
            defer { failing = [] }
            return failing.filter { told.insert($0).inserted }.map { .diskFailed($0) }
        }
    }

    init(diskNames: [String]) {
        self.diskNames = diskNames
    }

    /// Whether the process ends because it was asked to, by the host or the guest.
    var isExpectedToEnd: Bool { state.withLock { $0.isExpectedToEnd } }

    func expectEnd() {
        state.withLock { $0.isExpectedToEnd = true }
    }

    /// What an event means for the machine.
    func tell(_ event: QMPEvent) -> [VirtualMachineEvent] {
        let byGuest = event.data["guest"]?.bool ?? false
        switch event.name {
        case "SHUTDOWN" where byGuest:
            expectEnd()
            return [.poweredOff]
        case "RESET": return restarts(event, byGuest: byGuest) ? [.restarted] : []
        case "GUEST_PANICKED": return [.panicked]
        case "BLOCK_IO_ERROR" where event.data["action"]?.string == "stop":
            // The machine stops only after this.
            return state.withLock { state in
                state.failing.append(name(ofNode: event.data["node-name"]?.string ?? ""))
                return state.tellFailures()
            }
        case "STOP":
            return state.withLock { state in
                state.isHeld = true
                return state.tellFailures()
            }
        case "RESUME":
            state.withLock { state in
                state.isHeld = false
                state.told = []
            }
            return []
        default: return []
        }
    }

    /// Whether a reset is a restart by the guest.
    ///
    /// The firmware, when it finds that it has run before, resets the machine once more: that belongs to the reset
    /// before it, whoever made that.
    private func restarts(_ event: QMPEvent, byGuest: Bool) -> Bool {
        state.withLock { state in
            if byGuest, let last = state.lastReset, event.microseconds - last < Self.firmwareTime { return false }
            state.lastReset = event.microseconds
            return byGuest
        }
    }

    private func name(ofNode node: String) -> String {
        diskNames.indices.first { CommandLine.node($0) == node }.map { diskNames[$0] } ?? node
    }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import BlockStorage
import FermataModel
import Foundation
import SystemPackage
import VirtualDisk

/// A machine that runs: its process, the chains behind its disks, the image behind its memory.
struct RunningMachine {
    /// Which of the host's machines it is, counted from the host's first start.
    let generation: Int
    let process: any VirtualMachine
    /// The chains that take the disks' writes now, in the guest's order.
    var chains: [DiskChain]
    let session: GuestSession
    /// The flat image that the memory maps.
    let base: PageFile
    /// The checkpoint whose memory that image is; nil after a start from power-off.
    let baseCheckpoint: GUID?
    /// The checkpoints that were made of this process.
    var captured: Set<GUID> = []
    let clockBase: Int64
    /// Why the processors stand, while what the host sends waits; nil when they run.
    var standing: Standing?
    /// How often the guest has restarted, and how many of these restarts were waited for.
    var restarts = 0
    var restartsSeen = 0
    /// Whether it was restored and stands since, so that its guest was not told the time.
    var isOwedTime = false
    /// Whether what the guest sends still counts; not once its future is discarded.
    let isHeard = Switch()

    /// Why the processors of a machine stand.
    enum Standing: Hashable, Sendable {
        /// It was asked for.
        case asked
        /// A request of the guest failed on that disk; it is tried again when the machine goes on.
        case diskFailed(String)
    }

    /// Whether the pages that differ from a checkpoint are known without comparing all.
    ///
    /// A page that was ever changed in a process stays apart from the mapped image, so what differs between the image
    /// and a checkpoint that was made of this process is among the pages that are changed now.
    func knowsPages(of checkpoint: GUID) -> Bool {
        baseCheckpoint == checkpoint || captured.contains(checkpoint)
    }

    /// Reads both channels on threads of their own, until the process ends.
    func startReaders(console: Console) {
        // The channels alone: a process that nobody holds any more must end.
        let (lines, commands, session, isHeard) = (process.console, process.agent, session, isHeard)
        // Threads of their own: a pool of threads that wait for many guests would have none left for work.
        Thread.detachNewThread {
            while lines.receive({ if isHeard.isOn { console.append($0) } }) {}
        }
        Thread.detachNewThread {
            while commands.receive({ if isHeard.isOn { session.receive($0) } }) { session.waitForRoom() }
        }
    }

    /// Stops everything that the host sends to the guest.
    func shutGates() {
        process.console.shutGate()
        process.agent.shutGate()
    }

    /// Lets the host send to the guest again.
    func openGates() {
        process.console.openGate()
        process.agent.openGate()
    }

    /// Takes back what the guest's devices have not read yet.
    func discardUnread() {
        process.console.discardUnread()
        process.agent.discardUnread()
    }
}

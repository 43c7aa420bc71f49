// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

public import FermataModel
import Foundation
import Synchronization

/// Something that happened to a machine, be it asked for or not.
public struct MachineEvent: Hashable, Sendable {
    /// When, in milliseconds since 1970 UTC.
    public var time: Int64
    /// What.
    public var kind: Kind

    /// Makes an event.
    public init(time: Int64, kind: Kind) {
        self.time = time
        self.kind = kind
    }

    /// What can happen.
    public enum Kind: Hashable, Sendable {
        /// The machine is in another state, and why, if it was not simply asked for.
        case state(MachineState, reason: String?)
        /// The guest switched the machine off.
        case guestPoweredOff
        /// The guest restarted.
        case guestRestarted
        /// The guest's kernel gave up.
        case guestPanicked
        /// A request of the guest failed on that disk of the host; the machine is paused until it is resumed.
        case diskFailed(String)
        /// The hypervisor's process is gone; says how it ended when it was not asked to.
        case processEnded(String?)
        /// A checkpoint of that name and identity exists.
        case checkpointed(CheckpointName, GUID)
        /// Now was made equal to the checkpoint of that identity.
        case restored(GUID)
    }
}

/// Tells events to everyone who listens.
final class MachineEvents: Sendable {
    /// The most events that wait for a reader; older ones are dropped.
    private static let limit = 1024

    private struct State {
        var readers: [Int: AsyncStream<MachineEvent>.Continuation] = [:]
        var next = 0
        var isOver = false
        var lastState: MachineEvent.Kind?
    }

    private let state = Mutex(State())

    /// What happens from now on, until the host lets go of the machine.
    func listen() -> AsyncStream<MachineEvent> {
        let (stream, continuation) = AsyncStream<MachineEvent>.makeStream(
            bufferingPolicy: .bufferingNewest(Self.limit))
        let id: Int? = state.withLock { state in
            guard !state.isOver else { return nil }
            state.next += 1
            state.readers[state.next] = continuation
            return state.next
        }
        guard let id else {
            continuation.finish()
            return stream
        }
        continuation.onTermination = { [weak self] _ in
            self?.state.withLock { $0.readers[id] = nil }
        }
        return stream
    }

    func tell(_ kind: MachineEvent.Kind) {
        let event = MachineEvent(time: Int64(Date().timeIntervalSince1970 * 1000), kind: kind)
        for reader in state.withLock({ Array($0.readers.values) }) { reader.yield(event) }
    }

    /// Tells a state that differs from the one told last.
    func tellState(_ machine: MachineState, because reason: String?) {
        let kind = MachineEvent.Kind.state(machine, reason: reason)
        let isNew = state.withLock { state in
            defer { state.lastState = kind }
            return state.lastState != kind
        }
        if isNew { tell(kind) }
    }

    /// Nothing happens any more.
    func finish() {
        let readers = state.withLock { state in
            state.isOver = true
            defer { state.readers = [:] }
            return Array(state.readers.values)
        }
        for reader in readers { reader.finish() }
    }
}

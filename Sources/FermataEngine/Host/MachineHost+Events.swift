// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

public import FermataModel
import Synchronization

extension MachineHost {
    /// What happens to the machine from now on, for any number of readers; ends when this host lets go of it.
    public nonisolated func events() -> AsyncStream<MachineEvent> {
        eventSource.listen()
    }

    /// What the machine is doing, and why; told at once, also while an operation keeps the machine's thread busy.
    public nonisolated var status: MachineStatus {
        get async { published.withLock { $0 } }
    }

    func publishStatus() {
        let status = MachineStatus(state: state, reason: stateReason, activity: activity)
        published.withLock { $0 = status }
    }

    /// Tells in which state the machine is now, unless that is what was told last.
    func tellState(because reason: String? = nil) {
        stateReason = reason
        publishStatus()
        eventSource.tellState(state, because: reason)
    }

    /// What the hypervisor tells of the machine.
    func handle(_ event: VirtualMachineEvent, of generation: Int) async {
        guard let machine = running, machine.generation == generation else { return }
        switch event {
        case .restarted:
            running?.restarts += 1
            machine.session.begin(because: EngineError(.guest, "the guest restarted while the command ran"))
            eventSource.tell(.guestRestarted)
        case .poweredOff:
            eventSource.tell(.guestPoweredOff)
        case .panicked:
            eventSource.tell(.guestPanicked)
        case .diskFailed(let disk):
            eventSource.tell(.diskFailed(disk))
            await exclusively { host in host.stand(because: disk, of: generation) }
        case .ended(let reason):
            eventSource.tell(.processEnded(reason))
            await end(machine, because: reason ?? "it powered off", isTold: reason != nil)
        }
    }

    /// The hypervisor has held the machine, unless an operation has let it go on since.
    private func stand(because disk: String, of generation: Int) {
        guard let machine = running, machine.generation == generation, machine.standing == nil, machine.process.isHeld
        else { return }
        machine.shutGates()
        running?.standing = .diskFailed(disk)
        tellState(
            because: "disk '\(disk)' could not be read or written on the host; make space or mend it, then resume")
    }

    /// Waits for a restart of the guest after the last one that was waited for.
    ///
    /// - Throws: ``EngineError/Code/timeout`` when there was none within the time, ``EngineError/Code/guest`` when the
    ///   machine went off.
    public func waitForReboot(within limit: TimeSpan) async throws {
        let machine = try requireRunning("waiting for a restart")
        let (generation, name, events) = (machine.generation, folder.name, eventSource.listen())
        try await within(limit) { tail in
            EngineError(
                .timeout, "the guest of machine '\(name)' did not restart within \(limit); its console's end: \(tail)")
        } _: {
            if try await self.takeRestart(of: generation) { return }
            for await event in events {
                guard event.kind == .guestRestarted || event.kind.isState else { continue }
                if try await self.takeRestart(of: generation) { return }
            }
            throw CancellationError()
        }
    }

    /// Takes a restart that nobody has waited for yet.
    private func takeRestart(of generation: Int) throws(EngineError) -> Bool {
        guard let machine = running, machine.generation == generation else {
            throw EngineError(.guest, "machine '\(folder.name)' is no longer the one whose restart was waited for")
        }
        guard machine.restarts > machine.restartsSeen else { return false }
        running?.restartsSeen = machine.restarts
        return true
    }
}

extension MachineEvent.Kind {
    fileprivate var isState: Bool {
        if case .state = self { true } else { false }
    }
}

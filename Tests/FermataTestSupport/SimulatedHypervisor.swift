// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

public import FermataEngine
internal import Foundation
internal import Synchronization

/// A hypervisor whose machines are objects in memory: their RAM is an array, their guest a small interpreter.
///
/// The engine cannot tell: memory is read and written page by page, disks are the real ones, commands arrive as frames.
public final class SimulatedHypervisor: Hypervisor {
    /// What the engine asks of a hypervisor, for whoever lets it fail.
    public enum Request: Hashable, Sendable, CaseIterable {
        case launch, stop, resume, saveDevices, loadDevices, changedPages, readMemory, writeMemory, pressPowerButton
    }

    let before: @Sendable (Request) throws -> Void
    let obeysPowerButton: Bool
    private let machines = Mutex<[SimulatedMachine]>([])

    /// Makes a hypervisor.
    ///
    /// - Parameters:
    ///   - obeysPowerButton: whether guests power off when they are asked to.
    ///   - before: called before each request; what it throws, the request throws.
    public init(
        obeysPowerButton: Bool = true, before: @escaping @Sendable (Request) throws -> Void = { _ in }
    ) {
        self.obeysPowerButton = obeysPowerButton
        self.before = before
    }

    /// How many machines were launched and have not ended.
    public var liveMachines: Int {
        machines.withLock { $0.count { !$0.hasEnded } }
    }

    /// How many machines were launched.
    public var launches: Int {
        machines.withLock { $0.count }
    }

    /// Starts a machine, held.
    public func launch(_ launch: Launch) async throws -> any VirtualMachine {
        try before(.launch)
        let machine = try SimulatedMachine(launch, self)
        machines.withLock { $0.append(machine) }
        machine.startReading()
        return machine
    }
}

extension HypervisorError {
    /// What a request that a test lets fail throws.
    public static let injected: HypervisorError = HypervisorError(.failed, "the test let this request fail")
}

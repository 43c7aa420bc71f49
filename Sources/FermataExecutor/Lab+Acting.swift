// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataEngine
public import FermataModel

extension Lab {
    /// Does something to a machine wherever it is hosted; where nobody hosts it, this process does for so long.
    ///
    /// It is for what gives a machine no power: nobody need stay behind to host it.
    ///
    /// - Throws: ``EngineError/Code/busy`` when another program holds the machine and lets nobody reach it.
    public func act<Result: Sendable>(
        on name: MachineName, _ body: (any MachineControl) async throws -> Result
    ) async throws -> Result {
        let (control, close) = try await reachOrHold(LabFolder.open(folder.path).machine(name))
        do {
            let result = try await body(control)
            await close()
            return result
        } catch {
            await close()
            throw error
        }
    }

    private func reachOrHold(
        _ machine: MachineFolder
    ) async throws -> (control: any MachineControl, close: @Sendable () async -> Void) {
        let limit = ContinuousClock.now + Self.patience
        while true {
            if let remote = try RemoteMachine(connectingTo: machine) { return (remote, { await remote.close() }) }
            do throws(EngineError) {
                let host = try MachineHost(of: machine, hypervisor: hypervisor, settings: settings)
                return (host, { await host.close() })
            } catch {
                guard error.code == .busy, ContinuousClock.now < limit else { throw error }
            }
            try await Task.sleep(for: .milliseconds(20))
        }
    }
}

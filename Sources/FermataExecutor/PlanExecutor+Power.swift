// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataEngine
import FermataModel

extension PlanExecutor {
    /// Saves a machine; at the end of a run one that has no power any more is left as it is.
    func save(_ host: MachineHost, onlyIfItRuns: Bool) async throws {
        guard onlyIfItRuns else { return try await host.save() }
        guard await host.state.hasPower else { return }
        do {
            try await host.save()
        } catch {
            // Its guest may have powered it off meanwhile.
            if await host.state.hasPower { throw error }
        }
    }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataEngine
import FermataModel
import FermataPlan

extension PlanExecutor {
    /// Makes a machine of a checkpoint of another, takes hold of it, and lets it run on if it has memory.
    func fork(_ new: NewFork) async throws -> GUID {
        let source = try held(new.source)
        let id = try await source.fork(begin(of: new, in: source), as: new.name, owner: new.owner)
        let host = try takeHold(of: lab.folder.machine(new.name))
        if new.withMemory { try await host.start() }
        return id
    }

    private func begin(of new: NewFork, in source: MachineHost) async throws -> GUID {
        if let name = new.checkpoint { return try await checkpoint(name, of: source) }
        guard let origin = await source.files.tree.checkpoints.first(where: \.isOrigin) else {
            throw RunError(.stale, "machine '\(new.source)' has lost its origin; plan again")
        }
        return origin.id
    }
}

extension Action.CheckpointKind {
    /// The same as the engine says it, which knows one more.
    var ofEngine: CheckpointTree.Checkpoint.Kind {
        switch self {
        case .standard: .standard
        case .diskOnly: .diskOnly
        }
    }
}

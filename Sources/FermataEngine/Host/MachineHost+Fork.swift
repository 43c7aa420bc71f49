// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

public import FermataModel

extension MachineHost {
    /// Makes a new machine of the lab that begins at a checkpoint of this one, which may be running meanwhile.
    ///
    /// The new machine is saved in the checkpoint's memory, or off when there is none. No byte of a disk or of memory is
    /// copied: its disks are empty children of the checkpoint's, which stay for as long as it reads through them, be the
    /// checkpoint deleted or not. It has an identity and a tree of checkpoints of its own; its network card keeps the
    /// address that a guest in memory has seen, and has a new one otherwise.
    ///
    /// - Parameter withMemory: whether it gets the checkpoint's memory; else it is off, its disks as a power cut at that
    ///   moment leaves them.
    /// - Returns: its identity.
    public func fork(_ checkpoint: GUID, as name: MachineName, withMemory: Bool = true) async throws -> GUID {
        try await fork(checkpoint, as: name, withMemory: withMemory, owner: nil)
    }

    /// The same for a recipe, whose machine the new one is.
    public func fork(
        _ checkpoint: GUID, as name: MachineName, withMemory: Bool = true, owner: RecipeOwnership?
    ) async throws -> GUID {
        try await withoutMerging { host in
            try await host.exclusively("a fork") { host in
                try host.requireLock()
                return try host.forked(checkpoint, as: name, withMemory: withMemory, owner: owner)
            }
        }
    }

    private func forked(
        _ id: GUID, as name: MachineName, withMemory: Bool, owner: RecipeOwnership?
    ) throws(EngineError) -> GUID {
        guard let configuration = record.checkpoints[id] else {
            throw EngineError(.notFound, "machine '\(folder.name)' has no checkpoint \(id)")
        }
        // Before the first new file: every disk of the chains is what the next one takes it for.
        _ = try DiskFiles.layers(of: configuration, in: folder)
        guard withMemory, configuration.checkpoint?.hasMemory == true else {
            return try folder.lab.createFork(name, of: folder, at: configuration, owner: owner, memory: nil)
        }
        let source = record.memory(of: id, configuration)
        let state = try SavedState(reading: source.files.devices)
        try check(state, of: source, configuration)
        let image = try memoryImage(of: source, state, configuration)
        // Its forks map this one, too, where one is kept.
        if try !FlatImage.isVolatile(folder.lab.cache) { _ = try FlatImage.of(id, in: folder, from: image) }
        return try folder.lab.createFork(
            name, of: folder, at: configuration, owner: owner, memory: (state: state, files: source.files))
    }
}

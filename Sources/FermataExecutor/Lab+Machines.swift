// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

public import FermataEngine
public import FermataModel
public import FermataPlan
import Foundation
public import SystemPackage

extension Lab {
    /// How long a command waits for a host that is just starting or ending.
    private static let patience: Duration = .seconds(5)

    /// Reaches a machine wherever it is hosted; where nobody hosts it, a process is started that does.
    ///
    /// That process ends by itself once the machine has no power and no client is left.
    ///
    /// - Throws: ``EngineError/Code/busy`` when another program holds the machine and lets nobody reach it.
    public func machine(_ name: MachineName) async throws -> MachineHandle {
        let folder = try LabFolder.open(folder.path).machine(name)
        let limit = ContinuousClock.now + Self.patience
        while true {
            if let remote = try await reach(folder, isLast: ContinuousClock.now >= limit) {
                return MachineHandle(remote)
            }
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    /// One attempt to reach a machine; nil when its lock is held, and it may soon be another's.
    private func reach(_ folder: MachineFolder, isLast: Bool) async throws(EngineError) -> RemoteMachine? {
        if let remote = try RemoteMachine(connectingTo: folder) { return remote }
        do throws(EngineError) {
            try folder.requireFree()
            return try hostCommand.start(folder)
        } catch {
            if error.code == .busy, !isLast { return nil }
            throw error
        }
    }

    /// What a machine is doing, without waiting for anybody: of a host that does not answer in time, that it runs.
    public func status(of name: MachineName, within limit: Duration = .seconds(1)) async throws -> MachineStatus {
        let folder = try LabFolder.open(folder.path).machine(name)
        let silent = MachineStatus(state: .running, activity: "something that its host does not tell of")
        let remote: RemoteMachine
        do throws(EngineError) {
            guard let found = try RemoteMachine(connectingTo: folder, within: limit) else {
                return folder.isInUse ? silent : MachineStatus(state: try MachineRecord(reading: folder).stateAtRest)
            }
            remote = found
        } catch {
            if error.code == .notFound { throw error }
            return silent
        }
        return await withTaskGroup(of: MachineStatus?.self) { group in
            group.addTask { try? await remote.status }
            group.addTask {
                try? await Task.sleep(for: limit)
                // A request that is not answered any more ends the other task.
                remote.client.disconnect()
                return nil
            }
            defer { group.cancelAll() }
            return await group.next() ?? nil
        } ?? silent
    }

    /// Deletes a machine with all its checkpoints; it goes to the trash, if the lab has one.
    ///
    /// - Parameter isTrashing: false when it does not go to the trash.
    /// - Throws: ``EngineError/Code/wrongState`` while it has power, ``EngineError/Code/busy`` while it is in use.
    public func delete(_ name: MachineName, toTrash isTrashing: Bool = true) async throws {
        let lab = try LabFolder.open(folder.path)
        try await whenFree(name, for: "delete") { () throws(EngineError) in
            try lab.deleteMachine(name, toTrash: isTrashing)
        }
    }

    /// Makes a machine of an exported folder, or of a folder in the store's layout that another program wrote, or of a
    /// disk's image; the lab is made if there is none.
    ///
    /// It is off, or saved in the memory that the folder holds. It keeps its identity unless the lab has a machine of it.
    ///
    /// - Parameters:
    ///   - place: the folder or the image, a VHD, VHDX or raw file.
    ///   - name: the machine's; nil for the name that the configuration, or the file, says.
    /// - Throws: with what does not fit; nothing is changed then.
    public func importMachine(from place: FilePath, as name: MachineName? = nil) throws(EngineError) -> MachineName {
        let current = FilePath(FileManager.default.currentDirectoryPath)
        return try LabFolder.create(folder.path, trash: trash).importMachine(
            from: current.pushing(place).lexicallyNormalized(), as: name
        ).name
    }

    /// Gives a machine without power another name.
    ///
    /// - Throws: ``EngineError/Code/wrongState`` while it has power, or when no machine can have the name,
    ///   ``EngineError/Code/exists`` when another has it, ``EngineError/Code/busy`` while the machine is in use.
    public func rename(_ name: MachineName, to new: MachineName) async throws {
        let lab = try LabFolder.open(folder.path)
        try await whenFree(name, for: "rename") { () throws(EngineError) in try lab.renameMachine(name, to: new) }
    }

    /// Does what only nobody's machine can have done to it.
    private func whenFree(
        _ name: MachineName, for what: String, _ body: () throws(EngineError) -> Void
    ) async throws {
        let state = try await status(of: name).state
        guard !state.hasPower else {
            throw EngineError(.wrongState, "machine '\(name)' is \(state); turn it off before you \(what) it")
        }
        let limit = ContinuousClock.now + Self.patience
        while true {
            do throws(EngineError) {
                return try body()
            } catch {
                // A host whose machine has just lost its power is about to let go of it.
                guard error.code == .busy, ContinuousClock.now < limit else { throw error }
            }
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    /// Finds what is wrong with a definition, as a plan does with those of its recipe.
    ///
    /// - Parameter files: where the definition's relative paths begin.
    /// - Returns: what is dubious but can be made.
    /// - Throws: ``PlanningErrors`` with every mistake at once.
    public func check(_ definition: MachineDefinition, in files: FilePath) throws -> [Diagnostic] {
        let recipe = Recipe(name: "machine", machines: [definition], steps: [])
        var inventory = try inventory(for: recipe, in: files)
        // That it must not exist yet is for who makes it to say.
        inventory.machines = []
        return try Planner.plan(recipe, with: inventory, atEnd: .off).warnings
    }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

public import FermataModel

/// A machine as its files tell it: its configuration now, and at every checkpoint that exists.
public struct MachineRecord: Sendable {
    /// The machine's folder.
    public let folder: MachineFolder
    /// The configuration now.
    public let now: Configuration
    /// The configurations of the checkpoints that exist, by their identities.
    public let checkpoints: [GUID: Configuration]

    /// The machine's identity.
    public var id: GUID { now.machine }

    /// What the machine is doing when nobody hosts it: it is off, or saved.
    public var stateAtRest: MachineState { now.saved == nil ? .off : .saved }

    /// Reads a machine's files; changes nothing.
    ///
    /// A checkpoint that another one supersedes, that is deleted with others, or whose lab's checkpoint does not exist,
    /// does not exist, though its file may still be there.
    public init(reading folder: MachineFolder) throws(EngineError) {
        guard FileSystem.exists(folder.virtualMachines) else {
            throw EngineError(.notFound, "there is no machine '\(folder.name)' in \(folder.lab.path)")
        }
        let identity = try folder.identity()
        let file = folder.configuration(of: identity)
        now = try folder.now(of: identity)
        guard now.machine == identity else {
            throw EngineError(
                .damaged,
                "\(file): properties/global_id: expected \(identity) as in the file's name, found "
                    + "\(now.machine)")
        }
        var checkpoints: [GUID: Configuration] = [:]
        for id in try folder.checkpointFiles() {
            let file = folder.checkpoint(id)
            let configuration = try Configuration(reading: file)
            guard configuration.checkpoint != nil else {
                throw EngineError(.damaged, "\(file): expected a checkpoint's configuration, found a machine's")
            }
            checkpoints[id] = configuration
        }
        LabCheckpoint.settle(&checkpoints, in: folder.lab)
        for superseded in checkpoints.values.compactMap({ $0.checkpoint?.supersedes }) {
            checkpoints[superseded] = nil
        }
        if let deletion = try Deletion(pendingOf: identity, in: folder.lab) {
            for id in deletion.checkpoints { checkpoints[id] = nil }
        }
        self.folder = folder
        self.checkpoints = checkpoints
    }

    private init(_ folder: MachineFolder, now: Configuration, checkpoints: [GUID: Configuration]) {
        self.folder = folder
        self.now = now
        self.checkpoints = checkpoints
    }

    /// The record once a configuration has become the machine's own.
    func committed(_ now: Configuration) -> MachineRecord {
        MachineRecord(folder, now: now, checkpoints: checkpoints)
    }

    /// The record once a checkpoint exists; the one that it supersedes does no longer.
    func committed(_ checkpoint: GUID, _ configuration: Configuration) -> MachineRecord {
        var checkpoints = checkpoints
        checkpoints[checkpoint] = configuration
        if let superseded = configuration.checkpoint?.supersedes { checkpoints[superseded] = nil }
        return MachineRecord(folder, now: now, checkpoints: checkpoints)
    }

    /// The record once checkpoints have stopped existing.
    func removed(_ gone: Set<GUID>) -> MachineRecord {
        MachineRecord(folder, now: now, checkpoints: checkpoints.filter { !gone.contains($0.key) })
    }

    /// The nearest of a configuration's ancestors that exists.
    func parent(of configuration: Configuration) -> GUID? {
        configuration.ancestors.first { checkpoints[$0] != nil }
    }

    /// The checkpoint tree, origins included.
    public var tree: CheckpointTree {
        let nodes = checkpoints.map { id, configuration in
            CheckpointTree.Checkpoint(
                id: id, name: CheckpointName(configuration.name), parent: parent(of: configuration),
                kind: configuration.checkpoint?.kind ?? .standard,
                hasMemory: configuration.checkpoint?.hasMemory ?? false, time: configuration.created,
                notes: configuration.notes, owner: configuration.owner,
                isOrigin: configuration.checkpoint?.isOrigin ?? false)
        }
        return CheckpointTree(
            checkpoints: nodes.sorted { ($0.time, $0.id) < ($1.time, $1.id) }, now: parent(of: now))
    }

    /// The checkpoint that a name, an identity or a path of names stands for.
    ///
    /// - Throws: ``EngineError/Code/notFound`` with what was probably meant, or with what the text could stand for.
    public func checkpoint(_ text: String) throws(EngineError) -> CheckpointTree.Checkpoint {
        let listed = tree.listed.checkpoints
        var found = listed.filter { $0.name.description == text }
        if let id = GUID(text) { found += listed.filter { $0.id == id && !found.contains($0) } }
        if text.contains("/") { found += listed.filter { path(of: $0) == text } }
        if let only = found.first, found.count == 1 { return only }
        if found.isEmpty {
            let near = Spelling.nearest(to: text, among: listed.map(\.name.description))
            throw EngineError(
                .notFound,
                "no checkpoint '\(text)' of machine '\(folder.name)'"
                    + (near.map { "; did you mean '\($0)'?" } ?? ""))
        }
        throw EngineError(
            .notFound,
            "'\(text)' could be " + found.map { "'\($0.name)' (\($0.id))" }.joined(separator: " or ")
                + "; say its id")
    }

    private func path(of checkpoint: CheckpointTree.Checkpoint) -> String {
        let tree = tree.listed
        var names = [checkpoint.name.description]
        var parent = checkpoint.parent
        while let id = parent, let node = tree[id], names.count <= tree.checkpoints.count {
            names.insert(node.name.description, at: 0)
            parent = node.parent
        }
        return names.joined(separator: "/")
    }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

public import FermataEngine
public import FermataModel
import Foundation
public import SystemPackage

/// A machine that another process of the same user hosts, reached through its control socket.
///
/// What goes wrong there comes back as the same ``EngineError``, its sentence unchanged.
public final class RemoteMachine: MachineControl {
    /// The machine's folder, whose files can be read at any time.
    public let folder: MachineFolder
    let client: ControlClient

    init(_ client: ControlClient, folder: MachineFolder) {
        self.client = client
        self.folder = folder
    }

    deinit {
        client.disconnect()
    }

    /// Connects to the process that hosts a machine.
    ///
    /// - Parameter limit: how long the host may take to say who it is.
    /// - Returns: nil when there is none that listens.
    public convenience init?(
        connectingTo folder: MachineFolder, within limit: Duration = .seconds(10)
    ) throws(EngineError) {
        guard let socket = try ControlAddress(of: folder, makingFolder: false)?.connect(),
            let client = try ControlClient(socket, to: folder.name, within: limit)
        else { return nil }
        self.init(client, folder: folder)
    }

    /// The process that hosts the machine.
    public var process: Int32 { client.greeting.process }

    /// Ends the connection; when this returns, a machine without power that nobody else uses can be taken hold of.
    public func close() async {
        await client.close()
    }

    private func done(_ request: ControlRequest) async throws {
        let _: ControlDone = try await client.ask(request)
    }

    /// What the machine is doing.
    public var status: MachineStatus {
        get async throws { try await client.ask(.status) }
    }

    /// Starts the machine.
    public func start() async throws {
        try await done(.start)
    }

    /// Presses the power button and waits until the guest has switched itself off.
    public func shutDown(within limit: TimeSpan, orElse fallback: Action.ShutDownFallback) async throws {
        try await done(.shutDown(within: limit, orElse: fallback))
    }

    /// Cuts the machine's power; a machine that is off stays off.
    public func turnOff() async throws {
        try await done(.turnOff)
    }

    /// Holds the processors still.
    public func pause() async throws {
        try await done(.pause)
    }

    /// Lets a paused machine go on.
    public func resume() async throws {
        try await done(.resume)
    }

    /// Writes memory and devices to disk, and ends the process that holds them.
    public func save() async throws {
        try await done(.save)
    }

    /// Waits for the next restart of the guest.
    public func waitForReboot(within limit: TimeSpan) async throws {
        try await done(.waitForReboot(within: limit))
    }

    /// Resets the machine as its reset button does.
    public func reset() async throws {
        try await done(.reset)
    }

    /// Holds this moment of the machine.
    public func checkpoint(_ request: CheckpointRequest) async throws -> CheckpointOutcome {
        try await client.ask(.checkpoint(request))
    }

    /// Makes now equal to a checkpoint; what it was goes to the trash, if there is one, unless that is not wanted.
    public func apply(
        _ id: GUID, ending: RestoreEnding = .asCheckpoint, toTrash isTrashing: Bool = true
    ) async throws -> RestoreOutcome {
        try await client.ask(.apply(id, ending, toTrash: isTrashing))
    }

    /// Makes now equal to the checkpoint from which it grew; what it was goes to the trash as with `apply`.
    public func revert(
        ending: RestoreEnding = .asCheckpoint, toTrash isTrashing: Bool = true
    ) async throws -> RestoreOutcome {
        try await client.ask(.revert(ending, toTrash: isTrashing))
    }

    /// Forgets checkpoints, all at one moment; every other one and now stay exactly as they were.
    ///
    /// They go to the trash, if there is one, unless that is not wanted.
    public func delete(_ checkpoints: [GUID], toTrash isTrashing: Bool = true) async throws {
        try await done(.delete(checkpoints, toTrash: isTrashing))
    }

    /// Brings back what is in the trash: a checkpoint, or a discarded now as a checkpoint.
    public func restoreFromTrash(_ id: GUID, as name: CheckpointName?) async throws {
        try await done(.restoreFromTrash(id, as: name))
    }

    /// Takes out of the trash what was discarded of the machine, the oldest first; everything when there is no limit.
    public func emptyTrash(olderThan age: Int?, keeping bytes: UInt64?) async throws -> TrashOutcome {
        try await client.ask(.emptyTrash(olderThan: age, keeping: bytes))
    }

    /// Does the machine's part of what several machines do at one moment.
    public func join(_ operation: JointOperation, at meeting: Rendezvous) async throws -> JointOutcome {
        try await client.ask(.join(operation, ControlDescriptor(owning: meeting.duplicate().rawValue)))
    }

    /// Makes a new machine of the lab that begins at a checkpoint of this one.
    public func fork(_ checkpoint: GUID, as name: MachineName, withMemory: Bool) async throws -> GUID {
        let answer: ControlIdentity = try await client.ask(.fork(checkpoint, as: name, withMemory: withMemory))
        return answer.id
    }

    /// Copies what the machine's disks read from other machines, so that it needs none of theirs any more.
    public func promote() async throws {
        try await done(.promote)
    }

    /// Writes a checkpoint, or without one the machine with all of them, to a new folder that needs nothing outside of it;
    /// an absolute path, which the host makes.
    public func export(_ checkpoint: GUID?, to place: FilePath, flattened: Bool, withMemory: Bool) async throws {
        try await done(.export(checkpoint, to: place, flattened: flattened, withMemory: withMemory))
    }

    /// Gives a checkpoint another name or other notes; what is nil stays as it is, and empty notes are none.
    public func change(_ checkpoint: GUID, name: CheckpointName?, notes: String?) async throws {
        try await done(.changeCheckpoint(checkpoint, name: name, notes: notes))
    }

    /// Merges the disks that no checkpoint needs any more, and returns when nothing is left of it, or it was stopped.
    @discardableResult
    public func mergeDisks(rate: UInt64? = nil) async throws -> UInt64 {
        let answer: ControlCopied = try await client.ask(.mergeDisks(rate: rate))
        return answer.copied
    }

    /// Ends a merge of disks under way; none begins again before ``mergeDisks(rate:)``.
    public func stopMergingDisks() async throws {
        try await done(.stopMergingDisks)
    }

    /// Changes the configuration of a machine that is off; notes in every state.
    ///
    /// Relative paths begin in this process's current folder.
    public func change(_ change: HardwareChange) async throws {
        let folder = FilePath(FileManager.default.currentDirectoryPath)
        try await done(.change(change.pathsAbsolute(in: folder)))
    }

    /// Runs a command in the guest to its end.
    public func run(_ command: Action.Command, within limit: TimeSpan) async throws -> CommandResult {
        try await client.ask(.run(command, within: limit))
    }

    /// Runs a command in the guest to its end, its input and output by way of descriptors, which the host inherits.
    public func execute(
        _ command: Action.Command, streams: CommandStreams, within limit: TimeSpan?
    ) async throws -> Int {
        let answer: ControlCode = try await client.ask(
            .execute(command, ControlStreams(sharing: streams), within: limit))
        return answer.code
    }

    /// Sends bytes to the guest's console, as a terminal sends keys.
    public func type(_ bytes: [UInt8]) async throws {
        try await done(.type(bytes))
    }

    /// Waits until the guest's console has something to read.
    public func readConsole(from position: Int?) async throws -> ConsoleOutput {
        try await client.ask(.readConsole(from: position))
    }

    /// Waits for text on the console after the last match.
    public func waitForConsole(_ text: Action.ConsoleText, within limit: TimeSpan) async throws -> String {
        let answer: ControlText = try await client.ask(.waitForConsole(text, within: limit))
        return answer.text
    }

    /// What happens to the machine from now on, until the connection ends; any number may listen.
    public func events() async throws -> AsyncStream<MachineEvent> {
        try await client.events()
    }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

public import FermataEngine
public import FermataModel
public import SystemPackage

/// A machine that can be acted on, wherever it is hosted: ``MachineHost`` in this process, ``RemoteMachine`` in another.
///
/// Operations queue in the host, in the order in which they were asked for.
public protocol MachineControl: LabMember {
    /// What the machine is doing.
    var status: MachineStatus { get async throws }

    /// Starts the machine, from where it was when it is saved.
    func start() async throws

    /// Holds the processors still.
    func pause() async throws

    /// Lets a paused machine go on.
    func resume() async throws

    /// Writes memory and devices to disk, and ends the process that holds them.
    func save() async throws

    /// Presses the power button and waits until the guest has switched itself off.
    func shutDown(within limit: TimeSpan, orElse fallback: Action.ShutDownFallback) async throws

    /// Cuts the machine's power; a machine that is off stays off.
    func turnOff() async throws

    /// Resets the machine as its reset button does.
    func reset() async throws

    /// Waits for the next restart of the guest.
    func waitForReboot(within limit: TimeSpan) async throws

    /// Holds this moment of the machine.
    func checkpoint(_ request: CheckpointRequest) async throws -> CheckpointOutcome

    /// Makes now equal to a checkpoint; what it was goes to the trash, if there is one, unless that is not wanted.
    func apply(_ id: GUID, ending: RestoreEnding, toTrash isTrashing: Bool) async throws -> RestoreOutcome

    /// Makes now equal to the checkpoint from which it grew; what it was goes to the trash as with `apply`.
    func revert(ending: RestoreEnding, toTrash isTrashing: Bool) async throws -> RestoreOutcome

    /// Forgets checkpoints, all at one moment; every other one and now stay exactly as they were.
    ///
    /// They go to the trash, if there is one, unless that is not wanted.
    func delete(_ checkpoints: [GUID], toTrash isTrashing: Bool) async throws

    /// Brings back what is in the trash: a checkpoint, or a discarded now as a checkpoint.
    func restoreFromTrash(_ id: GUID, as name: CheckpointName?) async throws

    /// Takes out of the trash what was discarded of the machine, the oldest first; everything when there is no limit.
    func emptyTrash(olderThan age: Int?, keeping bytes: UInt64?) async throws -> TrashOutcome

    /// Makes a new machine of the lab that begins at a checkpoint of this one.
    ///
    /// - Returns: its identity.
    func fork(_ checkpoint: GUID, as name: MachineName, withMemory: Bool) async throws -> GUID

    /// Copies what the machine's disks read from other machines, so that it needs none of theirs any more.
    func promote() async throws

    /// Writes a checkpoint, or without one the machine with all of them, to a new folder that needs nothing outside of it.
    func export(_ checkpoint: GUID?, to place: FilePath, flattened: Bool, withMemory: Bool) async throws

    /// Gives a checkpoint another name or other notes; what is nil stays as it is, and empty notes are none.
    func change(_ checkpoint: GUID, name: CheckpointName?, notes: String?) async throws

    /// Changes the configuration of a machine that is off; notes in every state.
    func change(_ change: HardwareChange) async throws

    /// Runs a command in the guest to its end.
    func run(_ command: Action.Command, within limit: TimeSpan) async throws -> CommandResult

    /// Runs a command in the guest to its end, its input and output by way of descriptors.
    ///
    /// - Returns: its exit code.
    func execute(_ command: Action.Command, streams: CommandStreams, within limit: TimeSpan?) async throws -> Int

    /// Merges the disks that no checkpoint needs any more, and returns when nothing is left of it, or it was stopped.
    ///
    /// - Parameter rate: the most bytes that are copied in a second from now on; 0 is no limit, nil leaves it as it is.
    /// - Returns: the bytes that were copied meanwhile.
    @discardableResult
    func mergeDisks(rate: UInt64?) async throws -> UInt64

    /// Ends a merge of disks under way; none begins again before ``mergeDisks(rate:)``.
    func stopMergingDisks() async throws

    /// Sends bytes to the guest's console, as a terminal sends keys.
    func type(_ bytes: [UInt8]) async throws

    /// Waits until the guest's console has something to read.
    ///
    /// - Parameter position: from where to read on; nil begins with the last 4 KiB.
    /// - Returns: what was written; without parts once the machine has no power.
    func readConsole(from position: Int?) async throws -> ConsoleOutput

    /// Waits for text on the console after the last match.
    ///
    /// - Returns: the text that matched.
    func waitForConsole(_ text: Action.ConsoleText, within limit: TimeSpan) async throws -> String

    /// What happens to the machine from now on, until it is let go of; any number may listen.
    func events() async throws -> AsyncStream<MachineEvent>
}

extension MachineHost: MachineControl {}

extension MachineControl {
    /// Does what a client of the control socket asks for.
    ///
    /// - Returns: the members of the result.
    func perform(_ request: ControlRequest) async throws -> any ControlResult {
        switch request {
        case .status: return try await status
        case .start: try await start()
        case .shutDown(let limit, let fallback): try await shutDown(within: limit, orElse: fallback)
        case .turnOff: try await turnOff()
        case .reset: try await reset()
        case .pause: try await pause()
        case .resume: try await resume()
        case .save: try await save()
        case .waitForReboot(let limit): try await waitForReboot(within: limit)
        case .checkpoint(let request): return try await checkpoint(request)
        case .apply(let id, let ending, let isTrashing):
            return try await apply(id, ending: ending, toTrash: isTrashing)
        case .revert(let ending, let isTrashing): return try await revert(ending: ending, toTrash: isTrashing)
        case .delete(let ids, let isTrashing): try await delete(ids, toTrash: isTrashing)
        case .restoreFromTrash(let id, let name): try await restoreFromTrash(id, as: name)
        case .emptyTrash(let age, let bytes): return try await emptyTrash(olderThan: age, keeping: bytes)
        case .join(let operation, let place):
            return try await join(operation, at: try place.rendezvous())
        case .fork(let id, let name, let withMemory):
            return ControlIdentity(try await fork(id, as: name, withMemory: withMemory))
        case .promote: try await promote()
        case .export(let id, let place, let flattened, let withMemory):
            try await export(id, to: place, flattened: flattened, withMemory: withMemory)
        case .changeCheckpoint(let id, let name, let notes): try await change(id, name: name, notes: notes)
        case .mergeDisks(let rate): return ControlCopied(try await mergeDisks(rate: rate))
        case .stopMergingDisks: try await stopMergingDisks()
        case .change(let change): try await self.change(change)
        case .run(let command, let limit): return try await run(command, within: limit)
        case .execute(let command, let streams, let limit):
            let code = try await execute(command, streams: streams.streams, within: limit)
            // The descriptors are open until here.
            return withExtendedLifetime(streams) { ControlCode(code) }
        case .type(let bytes): try await type(bytes)
        case .readConsole(let position): return try await readConsole(from: position)
        case .waitForConsole(let text, let limit):
            return ControlText(try await waitForConsole(text, within: limit))
        case .cancel, .subscribe: break
        }
        return ControlDone()
    }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

public import FermataEngine
public import FermataModel
import Foundation
import Logging
public import SystemPackage

/// A machine of a lab, for programs that act live instead of writing a recipe.
///
/// It is hosted by this process or by another one; what can be done is the same. Of a machine that this process hosts,
/// other processes can do the same at the same time; when the process ends, or the last copy of the handle goes, the
/// machine is off.
public struct MachineHandle: Sendable {
    /// What acts on the machine.
    public let control: any MachineControl
    private let hosting: Hosting?

    /// Takes a machine that this process has taken hold of, and lets others reach it.
    init(hosting host: MachineHost) {
        control = host
        hosting = Hosting(host)
    }

    /// Takes a machine that another process hosts.
    init(_ remote: RemoteMachine) {
        control = remote
        hosting = nil
    }

    /// The machine's name.
    public var name: MachineName { control.folder.name }

    /// Whether this process hosts the machine.
    public var isHostedHere: Bool { hosting != nil }

    /// What the machine is doing, and why.
    public var status: MachineStatus {
        get async throws { try await control.status }
    }

    /// The machine's state.
    public var state: MachineState {
        get async throws { try await status.state }
    }

    /// The machine's checkpoints.
    public var tree: CheckpointTree {
        get throws { try MachineRecord(reading: control.folder).tree }
    }

    /// What happens to the machine from now on, until it is let go of; any number may listen.
    public func events() async throws -> AsyncStream<MachineEvent> {
        try await control.events()
    }

    /// Starts the machine, which must be off or saved.
    public func start() async throws {
        try await control.start()
    }

    /// Asks the guest to power off, and waits for it.
    public func shutDown(
        within limit: TimeSpan = Action.defaultWithin, orElse fallback: Action.ShutDownFallback = .fail
    ) async throws {
        try await control.shutDown(within: limit, orElse: fallback)
    }

    /// Cuts the machine's power.
    public func turnOff() async throws {
        try await control.turnOff()
    }

    /// Holds the processors still.
    public func pause() async throws {
        try await control.pause()
    }

    /// Lets a paused machine go on.
    public func resume() async throws {
        try await control.resume()
    }

    /// Writes memory and devices to disk, and ends the process that holds them.
    public func save() async throws {
        try await control.save()
    }

    /// Waits for the next restart of the guest.
    public func waitForReboot(within limit: TimeSpan = Action.defaultWithin) async throws {
        try await control.waitForReboot(within: limit)
    }

    /// Resets the machine as its reset button does.
    public func reset() async throws {
        try await control.reset()
    }

    /// Lets go of the machine; the handle is of no more use.
    ///
    /// A machine that this process hosts is turned off. One that another process hosts goes on there; one that has no
    /// power is free when this returns.
    public func close() async {
        if let hosting {
            await hosting.close()
        } else if let remote = control as? RemoteMachine {
            await remote.close()
        }
    }

    /// Runs a line of `/bin/sh` in the guest.
    public func run(_ shell: String, within limit: TimeSpan = Action.defaultWithin) async throws -> CommandResult {
        try await control.run(.shell(shell), within: limit)
    }

    /// Runs a program with its arguments in the guest, without a shell.
    public func run(
        _ arguments: [String], within limit: TimeSpan = Action.defaultWithin
    ) async throws -> CommandResult {
        try await control.run(.arguments(arguments), within: limit)
    }

    /// Runs a program with its arguments in the guest, its input and output by way of descriptors, in bounded memory.
    ///
    /// - Parameter limit: how long it may take; nil for any time.
    /// - Returns: its exit code.
    public func execute(
        _ arguments: [String], streams: CommandStreams, within limit: TimeSpan? = nil
    ) async throws -> Int {
        try await control.execute(.arguments(arguments), streams: streams, within: limit)
    }

    /// Types text on the guest's console.
    public func type(_ text: String) async throws {
        try await control.type(Array(text.utf8))
    }

    /// What the guest writes on its console, from the last 4 KiB on, until the machine has no power.
    public var console: ConsoleOutputs { ConsoleOutputs(of: control) }

    /// Waits for text on the console after the text that was last waited for.
    ///
    /// - Returns: the text that matched.
    @discardableResult
    public func waitForConsole(
        _ text: String, within limit: TimeSpan = Action.defaultWithin
    ) async throws -> String {
        try await control.waitForConsole(.plain(text), within: limit)
    }

    /// Waits for a regular expression's match on the console after the text that was last waited for.
    ///
    /// - Returns: the text that matched.
    @discardableResult
    public func waitForConsole(
        pattern: String, within limit: TimeSpan = Action.defaultWithin
    ) async throws -> String {
        try await control.waitForConsole(.pattern(pattern), within: limit)
    }

    /// Holds this moment.
    @discardableResult
    public func checkpoint(
        _ name: CheckpointName, notes: String? = nil, replace: Bool = false
    ) async throws -> CheckpointOutcome {
        try await control.checkpoint(CheckpointRequest(name: name, notes: notes, replaces: replace))
    }

    /// Makes now equal to the checkpoint from which it grew.
    ///
    /// - Parameter isTrashing: false when what now is does not go to the trash, if the lab has one.
    @discardableResult
    public func revert(
        ending: RestoreEnding = .asCheckpoint, toTrash isTrashing: Bool = true
    ) async throws -> RestoreOutcome {
        try await control.revert(ending: ending, toTrash: isTrashing)
    }

    /// Makes now equal to the checkpoint of a name, an identity or a path of names such as `root/child`.
    ///
    /// - Parameter isTrashing: false when what now is does not go to the trash, if the lab has one.
    @discardableResult
    public func apply(
        _ checkpoint: String, ending: RestoreEnding = .asCheckpoint, toTrash isTrashing: Bool = true
    ) async throws -> RestoreOutcome {
        try await control.apply(identity(of: checkpoint), ending: ending, toTrash: isTrashing)
    }

    /// Forgets the checkpoint of a name, an identity or a path of names; all others stay as they were.
    ///
    /// - Parameter isTrashing: false when it does not go to the trash, if the lab has one.
    public func delete(_ checkpoint: String, toTrash isTrashing: Bool = true) async throws {
        try await control.delete([identity(of: checkpoint)], toTrash: isTrashing)
    }

    /// What was discarded of the machine and can come back.
    public var trash: MachineTrash {
        get throws { try MachineTrash(of: MachineRecord(reading: control.folder)) }
    }

    /// Brings back what is in the trash by a name or an identity: a checkpoint, or a discarded now as a checkpoint.
    ///
    /// - Parameter name: the name that it gets; nil for the one that it had.
    public func restoreFromTrash(_ entry: String, as name: CheckpointName? = nil) async throws {
        try await control.restoreFromTrash(trash.entry(entry, of: self.name).id, as: name)
    }

    /// Takes out of the trash what was discarded of the machine, the oldest first; everything when there is no limit.
    ///
    /// - Parameters:
    ///   - age: the most seconds for which something stays.
    ///   - bytes: the most bytes that stay.
    @discardableResult
    public func emptyTrash(olderThan age: Int? = nil, keeping bytes: UInt64? = nil) async throws -> TrashOutcome {
        try await control.emptyTrash(olderThan: age, keeping: bytes)
    }

    /// Makes a new machine of the lab that begins at the checkpoint of a name, an identity or a path of names.
    ///
    /// It is saved in the checkpoint's memory, or off when there is none: take hold of it with ``Lab/open(_:)`` or
    /// ``Lab/machine(_:)``, and start it. It reads through the disks of this machine, which can be deleted when the fork
    /// was deleted or promoted; the checkpoint can be deleted at once.
    ///
    /// - Parameter withMemory: whether it gets the checkpoint's memory, if there is one.
    /// - Returns: its identity.
    @discardableResult
    public func fork(_ checkpoint: String, as name: MachineName, withMemory: Bool = true) async throws -> GUID {
        try await control.fork(identity(of: checkpoint), as: name, withMemory: withMemory)
    }

    /// Writes a checkpoint to a new folder that needs nothing outside of it, in the store's layout.
    ///
    /// - Parameters:
    ///   - checkpoint: its name, its identity or a path of names.
    ///   - place: the folder, outside of the lab; its parent must exist, and it must not.
    ///   - flattened: whether each disk becomes one file; else its chain is copied file by file.
    ///   - withMemory: whether memory and devices are written, too.
    public func export(
        _ checkpoint: String, to place: FilePath, flattened: Bool = false, withMemory: Bool = false
    ) async throws {
        let folder = FilePath(FileManager.default.currentDirectoryPath)
        try await control.export(
            identity(of: checkpoint), to: folder.pushing(place).lexicallyNormalized(), flattened: flattened,
            withMemory: withMemory)
    }

    /// Writes the machine, which must have no power, with all its checkpoints to a new folder that needs nothing outside of
    /// it; an import of it brings the whole tree.
    ///
    /// - Parameters:
    ///   - place: the folder, outside of the lab; its parent must exist, and it must not.
    ///   - withMemory: whether what is held of memory and devices is written, too; else all is off.
    public func export(to place: FilePath, withMemory: Bool = false) async throws {
        let folder = FilePath(FileManager.default.currentDirectoryPath)
        try await control.export(
            nil, to: folder.pushing(place).lexicallyNormalized(), flattened: false, withMemory: withMemory)
    }

    /// Copies what the disks of a fork read from other machines, so that it needs none of theirs any more.
    ///
    /// - Throws: ``EngineError/Code/wrongState`` while the machine has power.
    public func promote() async throws {
        try await control.promote()
    }

    /// Gives the checkpoint of a name, an identity or a path of names another name.
    public func rename(_ checkpoint: String, to name: CheckpointName) async throws {
        try await control.change(identity(of: checkpoint), name: name, notes: nil)
    }

    /// Changes what is remembered of a checkpoint; an empty text is nothing.
    public func setNotes(_ notes: String, of checkpoint: String) async throws {
        try await control.change(identity(of: checkpoint), name: nil, notes: notes)
    }

    /// Waits until the disks are merged that no checkpoint needs any more; the guest goes on meanwhile.
    ///
    /// - Parameter rate: the most bytes that are copied in a second from now on; 0 is no limit, nil leaves it as it is.
    /// - Returns: the bytes that were copied meanwhile.
    @discardableResult
    public func mergeDisks(rate: UInt64? = nil) async throws -> UInt64 {
        try await control.mergeDisks(rate: rate)
    }

    /// Ends a merge of disks under way; none begins again before ``mergeDisks(rate:)``.
    public func stopMergingDisks() async throws {
        try await control.stopMergingDisks()
    }

    /// Changes the configuration of a machine that is off; notes in every state.
    ///
    /// Checkpoints keep the configuration of their time, and a restore brings all of it back.
    public func change(_ change: HardwareChange) async throws {
        try await control.change(change)
    }

    private func identity(of checkpoint: String) throws -> GUID {
        try MachineRecord(reading: control.folder).checkpoint(checkpoint).id
    }
}

/// What a process holds that hosts a machine and lets others reach it.
final class Hosting: Sendable {
    private let host: MachineHost
    private let server: ControlServer?

    /// Listens for clients; a machine that others cannot reach works all the same.
    init(_ host: MachineHost) {
        self.host = host
        do throws(EngineError) {
            server = try ControlServer(for: host)
        } catch {
            Logger(label: "fermata.control").warning(
                "machine '\(host.folder.name)' cannot be reached by other processes: \(error)")
            server = nil
        }
    }

    deinit {
        server?.abandon()
    }

    /// Turns the machine off and lets go of it.
    func close() async {
        if let server { await server.close() } else { await host.close() }
    }
}

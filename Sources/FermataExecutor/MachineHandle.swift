// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

public import FermataEngine
public import FermataModel

/// A machine of a lab, held by this process: for programs that act live instead of writing a recipe.
///
/// While a handle lives, no other process can run or change the machine; when the process ends, the machine is off.
public struct MachineHandle: Sendable {
    /// What runs the machine.
    public let host: MachineHost

    init(_ host: MachineHost) {
        self.host = host
    }

    /// The machine's name.
    public var name: MachineName { host.folder.name }

    /// What the machine is doing.
    public var state: MachineState {
        get async { await host.state }
    }

    /// The machine's checkpoints.
    public var tree: CheckpointTree {
        get async { await host.files.tree }
    }

    /// Starts the machine, which must be off.
    public func start() async throws {
        try await host.start()
    }

    /// Asks the guest to power off, and waits for it.
    public func shutDown(
        within limit: TimeSpan = Action.defaultWithin, orElse fallback: Action.ShutDownFallback = .fail
    ) async throws {
        try await host.shutDown(within: limit, orElse: fallback)
    }

    /// Cuts the machine's power.
    public func turnOff() async {
        await host.turnOff()
    }

    /// Turns the machine off and lets go of it, so that others can run it; the handle is of no more use.
    public func close() async {
        await host.close()
    }

    /// Runs a line of `/bin/sh` in the guest.
    public func run(_ shell: String, within limit: TimeSpan = Action.defaultWithin) async throws -> CommandResult {
        try await host.run(.shell(shell), within: limit)
    }

    /// Runs a program with its arguments in the guest, without a shell.
    public func run(
        _ arguments: [String], within limit: TimeSpan = Action.defaultWithin
    ) async throws -> CommandResult {
        try await host.run(.arguments(arguments), within: limit)
    }

    /// Waits for text on the console after the text that was last waited for.
    ///
    /// - Returns: the text that matched.
    @discardableResult
    public func waitForConsole(
        _ text: String, within limit: TimeSpan = Action.defaultWithin
    ) async throws -> String {
        try await host.waitForConsole(.plain(text), within: limit)
    }

    /// Waits for a regular expression's match on the console after the text that was last waited for.
    ///
    /// - Returns: the text that matched.
    @discardableResult
    public func waitForConsole(
        pattern: String, within limit: TimeSpan = Action.defaultWithin
    ) async throws -> String {
        try await host.waitForConsole(.pattern(pattern), within: limit)
    }

    /// Holds this moment.
    @discardableResult
    public func checkpoint(
        _ name: CheckpointName, notes: String? = nil, replace: Bool = false
    ) async throws -> CheckpointOutcome {
        try await host.checkpoint(CheckpointRequest(name: name, notes: notes, replaces: replace))
    }

    /// Makes now equal to the checkpoint from which it grew.
    @discardableResult
    public func revert() async throws -> RestoreOutcome {
        try await host.revert()
    }

    /// Makes now equal to the checkpoint of a name, an identity or a path of names such as `root/child`.
    @discardableResult
    public func apply(_ checkpoint: String) async throws -> RestoreOutcome {
        try await host.apply(host.files.checkpoint(checkpoint).id)
    }

    /// Forgets the checkpoint of a name, an identity or a path of names; all others stay as they were.
    public func delete(_ checkpoint: String) async throws {
        try await host.delete([host.files.checkpoint(checkpoint).id])
    }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

public import FermataEngine
public import FermataModel
import Synchronization

/// The life of a process that does nothing but host one machine.
///
/// ```
///  take hold ─► greet the first client ─► serve ─► no power and no client, or a signal ─► let go ─► end
///       └─ in use, damaged, ... ─► tell the first client why ─► end
/// ```
public final class HostProcess: Sendable {
    private struct State {
        var server: ControlServer?
        var isStopped = false
    }

    private let state = Mutex(State())

    /// Makes a life that has not begun.
    public init() {}

    /// Hosts a machine until it has no power and nobody asks for it any more.
    ///
    /// - Parameter inheritsClient: whether the first client is at descriptor 3.
    /// - Throws: ``EngineError`` when the machine cannot be taken hold of; the first client has been told.
    public func run(_ name: MachineName, in lab: Lab, inheritsClient: Bool) async throws(EngineError) {
        let client = inheritsClient ? ControlSocket(owning: HostCommand.firstClient) : nil
        let server: ControlServer
        do throws(EngineError) {
            let folder = try LabFolder.open(lab.folder.path).machine(name)
            server = try ControlServer(
                for: MachineHost(of: folder, hypervisor: lab.hypervisor, settings: lab.settings), endsWithMachine: true)
        } catch {
            _ = try? client?.send(ControlMessage(["error": .object(error.members)]).line)
            throw error
        }
        if let client { server.admit(client) }
        let isStopped = state.withLock { state in
            state.server = server
            return state.isStopped
        }
        if isStopped { await server.close() }
        await server.waitUntilClosed()
    }

    /// Turns the machine off and lets go of it.
    public func stop() {
        let server = state.withLock { state in
            state.isStopped = true
            return state.server
        }
        if let server { Task { await server.close() } }
    }
}

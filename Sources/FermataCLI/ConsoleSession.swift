// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import Dispatch
import Fermata
import FermataEngine
import FermataExecutor
import Glibc
import SystemPackage

/// Somebody at a machine's console.
///
/// ```
///   standard input ──► keys ──► the guest          a terminal is raw from beginning to end,
///   standard output ◄── text ── the guest          whichever way it ends
///   standard error  ◄── what is to be said of it
///
///   ends: Ctrl-] on a terminal, the machine has no power, a signal, the host is gone
/// ```
struct ConsoleSession: Sendable {
    private let machine: MachineHandle
    private let terminal: RawTerminal?

    private enum End: Sendable {
        case detached
        case withoutPower
        case stopped
        case failed(any Error)
    }

    /// Ctrl-].
    private static let detachKey: UInt8 = 0x1D

    /// Takes the terminal that standard input is, if it is one.
    init(at machine: MachineHandle) {
        self.machine = machine
        terminal = RawTerminal(STDIN_FILENO)
    }

    /// Copies both ways until it ends.
    func run() async throws {
        let (ends, over) = AsyncStream<End>.makeStream()
        let signals = StopSignals(on: [SIGINT, SIGTERM, SIGHUP, SIGQUIT]) {
            over.yield(.stopped)
        } again: {
            terminal?.restore()
            _exit(1)
        }
        defer { withExtendedLifetime(signals) {} }
        // Output that nobody takes is an error then, after which the terminal is put back.
        _ = signal(SIGPIPE, SIG_IGN)
        if terminal != nil { say("connected to machine '\(machine.name)'; Ctrl-] detaches") }
        let output = Task { over.yield(await copyOutput()) }
        let keys = Task { if let end = await copyKeys() { over.yield(end) } }
        let end = await ends.first { _ in true }
        output.cancel()
        keys.cancel()
        terminal?.restore()
        try await finish(end ?? .stopped)
    }

    private func finish(_ end: End) async throws {
        switch end {
        case .detached:
            ProgramOutput.message("\n\(ProgramOutput.name): detached from machine '\(machine.name)'")
        case .withoutPower:
            // A host that ends with its machine says no more.
            let state = try? await machine.state.rawValue
            ProgramOutput.message("\(ProgramOutput.name): machine '\(machine.name)' is \(state ?? "off")")
        case .stopped: throw ProgramFailure(lines: [], exitCode: ProgramFailure.failed)
        case .failed(let error): throw error
        }
    }

    private func copyOutput() async -> End {
        do {
            for try await part in machine.console {
                if case .text(let bytes) = part {
                    try ProgramOutput.bytes(bytes)
                } else {
                    say("machine '\(machine.name)': \(part.sentence)")
                }
            }
            return .withoutPower
        } catch {
            return .failed(error)
        }
    }

    /// Copies what is typed.
    ///
    /// - Returns: nil when there is nothing more to copy, which ends nothing.
    private func copyKeys() async -> End? {
        // Of a machine without power the other side tells.
        guard let state = try? await machine.state, state.hasPower else { return nil }
        let (keys, typed) = AsyncStream<[UInt8]>.makeStream()
        // A guest that takes no keys must not keep anyone from leaving.
        let typing = Task {
            for await bytes in keys { await type(bytes) }
        }
        defer { typing.cancel() }
        while let bytes = await Self.read() {
            guard terminal != nil else {
                await type(bytes)
                continue
            }
            guard let key = bytes.firstIndex(of: Self.detachKey) else {
                typed.yield(bytes)
                continue
            }
            if key > 0 { typed.yield(Array(bytes[..<key])) }
            typed.finish()
            // What was typed before goes first, to a guest that takes it.
            let patience = Task {
                try? await Task.sleep(for: .seconds(1))
                typing.cancel()
            }
            await typing.value
            patience.cancel()
            return .detached
        }
        return terminal == nil ? nil : .detached
    }

    private func type(_ bytes: [UInt8]) async {
        do {
            try await machine.control.type(bytes)
        } catch is CancellationError {
        } catch let error as EngineError where error.code == .reverted {
            // The console's readers are told of it.
        } catch {
            say("\(error)")
        }
    }

    /// What has been typed; nil at the input's end.
    private static func read() async -> [UInt8]? {
        await withCheckedContinuation { continuation in
            DispatchQueue.global().async {
                var buffer = [UInt8](repeating: 0, count: 4096)
                let count = try? unsafe buffer.withUnsafeMutableBytes {
                    unsafe try FileDescriptor.standardInput.read(into: $0)
                }
                let bytes = Array(buffer.prefix(count ?? 0))
                continuation.resume(returning: bytes.isEmpty ? nil : bytes)
            }
        }
    }

    /// Says something on a line of its own; a raw terminal needs to be told where lines begin.
    private func say(_ text: String) {
        let end = terminal == nil ? "" : "\r"
        ProgramOutput.message("\(end)\(ProgramOutput.name): \(text)\(end)")
    }
}

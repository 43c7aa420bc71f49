// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import Dispatch
public import FermataModel
import Foundation
import Logging

extension MachineHost {
    /// Runs a command in the guest to its end.
    ///
    /// - Throws: ``EngineError/Code/timeout`` when its time is over, and the command is killed;
    ///   ``EngineError/Code/reverted`` when a restore ended it.
    public func run(_ command: Action.Command, within limit: TimeSpan = .seconds(60)) async throws -> CommandResult {
        let session = try requireRunning("a command").session
        let name = folder.name
        return try await within(limit) {
            EngineError(
                .timeout,
                "the command did not end within \(limit) in machine '\(name)'; does the guest's agent run? "
                    + "The end of its console: \($0)")
        } _: {
            try await session.run(command)
        }
    }

    /// Runs a command in the guest to its end, its input and output by way of descriptors, in bounded memory.
    ///
    /// Output that nobody takes lets the command wait, and nothing else.
    ///
    /// - Parameter limit: how long it may take; nil for any time.
    /// - Returns: its exit code; 128 and the signal's number when a signal ended it.
    /// - Throws: ``EngineError/Code/timeout`` when its time is over, and the command is killed;
    ///   ``EngineError/Code/reverted`` when a restore ended it.
    public func execute(
        _ command: Action.Command, streams: CommandStreams, within limit: TimeSpan? = nil
    ) async throws -> Int {
        let session = try requireRunning("a command").session
        let pump = try CommandPump(streams)
        let result: Result<Int, any Error>
        do {
            result = .success(try await execute(command, session, pump, within: limit))
        } catch {
            result = .failure(error)
        }
        await pump.stop()
        return try result.get()
    }

    private func execute(
        _ command: Action.Command, _ session: GuestSession, _ pump: CommandPump, within limit: TimeSpan?
    ) async throws -> Int {
        let name = folder.name
        let work: @Sendable () async throws -> Int = {
            let code = try await session.run(command, to: pump)
            await pump.drain()
            try Task.checkCancellation()
            if code == 0, let failure = pump.failure {
                throw EngineError(.system, "the command's output could not be written: \(failure)", underlying: failure)
            }
            return code
        }
        guard let limit else { return try await work() }
        return try await within(limit) { _ in
            EngineError(.timeout, "the command did not end within \(limit) in machine '\(name)'")
        } _: {
            try await work()
        }
    }

    /// Tells the guest the host's time, where that is the machine's rule; a guest that does not take it runs on.
    func followClock() async {
        guard record.now.clock == .host, let session = running?.session else { return }
        let name = folder.name
        do {
            let result = try await within(.seconds(5)) { _ in
                EngineError(.timeout, "its agent did not answer")
            } _: {
                let time = Date().timeIntervalSince1970
                return try await session.run(.arguments(["date", "-u", "-s", "@\(Int64(time.rounded()))"]))
            }
            guard result.exitCode == 0 else { throw EngineError(.guest, "date ended with \(result.exitCode)") }
        } catch {
            Logger(label: "fermata.engine").warning("machine '\(name)' was not told the time: \(error)")
        }
    }

    /// Sends bytes to the guest's console, as a terminal sends keys.
    ///
    /// - Throws: ``EngineError/Code/reverted`` when a restore took back what the guest had not read yet.
    public func type(_ bytes: [UInt8]) async throws {
        let channel = try requireRunning("typing on its console").process.console
        let isWanted = Switch()
        let isSent = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                // A guest that reads slowly must not hold up the machine's own thread.
                DispatchQueue.global().async {
                    continuation.resume(returning: channel.write(bytes, while: isWanted))
                }
            }
        } onCancel: {
            isWanted.turnOff()
        }
        try Task.checkCancellation()
        guard isSent else {
            throw EngineError(
                .reverted, "machine '\(folder.name)' was restored, or went off, before it had read all that was typed")
        }
    }

    /// Waits until the guest's console has something to read.
    ///
    /// - Parameter position: from where to read on; nil begins with the last 4 KiB.
    /// - Returns: what was written; without parts once the machine has no power.
    public func readConsole(from position: Int?) async throws -> ConsoleOutput {
        if position == nil { _ = try requirePower("reading its console") }
        return try await console.read(from: position)
    }

    /// Waits for text on the console after the last match.
    ///
    /// - Returns: the text that matched.
    /// - Throws: ``EngineError/Code/timeout`` with the console's end.
    public func waitForConsole(_ text: Action.ConsoleText, within limit: TimeSpan) async throws -> String {
        _ = try requireRunning("waiting for its console")
        let (console, name, matcher) = (console, folder.name, try ConsoleMatcher(text))
        return try await within(limit) {
            EngineError(
                .timeout, "\(text) did not appear on the console of machine '\(name)' within \(limit); its end: \($0)")
        } _: {
            try await console.wait(for: matcher)
        }
    }

    /// Does something that may take so long and no longer.
    func within<Result: Sendable>(
        _ limit: TimeSpan, orElse failure: @Sendable (String) -> EngineError,
        _ body: @escaping @Sendable () async throws -> Result
    ) async throws -> Result {
        let result: Result? = try await withThrowingTaskGroup(of: Result?.self) { group in
            group.addTask { try await body() }
            group.addTask {
                try await Task.sleep(for: limit.duration)
                return nil
            }
            defer { group.cancelAll() }
            return try await group.next() ?? nil
        }
        guard let result else { throw failure(console.tail) }
        return result
    }
}

extension Action.ConsoleText: CustomStringConvertible {
    /// The text in quotation marks, or the pattern between strokes.
    public var description: String {
        switch self {
        case .plain(let text): "\"\(text)\""
        case .pattern(let pattern): "/\(pattern)/"
        }
    }
}

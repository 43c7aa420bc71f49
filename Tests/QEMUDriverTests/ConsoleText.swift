// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataEngine
import Foundation
import Synchronization

/// Everything that a machine has said on its console.
final class ConsoleText: Sendable {
    private let channel: ByteChannel
    private let state = Mutex(State())

    private struct State {
        var bytes: [UInt8] = []
        var isEnded = false
        var waiting: [Waiting] = []
    }

    private struct Waiting {
        var isSatisfied: @Sendable (String) -> Bool
        var start: Int
        var continuation: CheckedContinuation<Bool, Never>
    }

    struct Ended: Error, CustomStringConvertible {
        var text: String
        var description: String { "The console ended before what was awaited; its last words: \(text.suffix(300))" }
    }

    init(_ channel: ByteChannel) {
        self.channel = channel
        let thread = Foundation.Thread { [self] in
            while channel.receive({ take($0) }) {}
            take(nil)
        }
        thread.start()
    }

    private func take(_ bytes: [UInt8]?) {
        let satisfied = state.withLock { state in
            if let bytes { state.bytes += bytes } else { state.isEnded = true }
            var satisfied: [(CheckedContinuation<Bool, Never>, Bool)] = []
            state.waiting.removeAll { waiting in
                let text = String(decoding: state.bytes[waiting.start...], as: UTF8.self)
                let isSatisfied = waiting.isSatisfied(text)
                if isSatisfied || state.isEnded { satisfied.append((waiting.continuation, isSatisfied)) }
                return isSatisfied || state.isEnded
            }
            return satisfied
        }
        for (continuation, isSatisfied) in satisfied { continuation.resume(returning: isSatisfied) }
    }

    /// The number of bytes so far, all that the machine has sent included.
    var mark: Int {
        channel.receivePending { take($0) }
        return state.withLock { $0.bytes.count }
    }

    /// The text between two marks.
    func text(from start: Int = 0, to end: Int? = nil) -> String {
        state.withLock { String(decoding: $0.bytes[start..<(end ?? $0.bytes.count)], as: UTF8.self) }
    }

    /// Waits until the text after a mark is as wanted, and returns it.
    @discardableResult
    func wait(from start: Int = 0, until isSatisfied: @escaping @Sendable (String) -> Bool) async throws -> String {
        let found = await withCheckedContinuation { (continuation: CheckedContinuation<Bool, Never>) in
            let known = state.withLock { state -> Bool? in
                if isSatisfied(String(decoding: state.bytes[start...], as: UTF8.self)) { return true }
                if state.isEnded { return false }
                state.waiting.append(
                    Waiting(isSatisfied: isSatisfied, start: start, continuation: continuation))
                return nil
            }
            if let known { continuation.resume(returning: known) }
        }
        guard found else { throw Ended(text: text(from: start)) }
        return text(from: start)
    }

    @discardableResult
    func wait(for words: String, from start: Int = 0) async throws -> String {
        try await wait(from: start) { $0.contains(words) }
    }

    /// Waits until the guest has started and its shell listens.
    func guest(from start: Int = 0) async throws {
        try await wait(for: "fermata tiny guest ready", from: start)
        // What is typed before the shell has opened its terminal is lost.
        while true {
            let mark = mark
            type("echo up-$((40 + 2))")
            for _ in 1...60 {
                if text(from: mark).contains("up-42") { return }
                try await Task.sleep(for: .milliseconds(50))
            }
        }
    }

    /// Types a line.
    func type(_ line: String) {
        _ = channel.write(Array("\(line)\n".utf8))
    }

    /// Runs a command in the guest's shell and returns what it says.
    func run(_ command: String) async throws -> String {
        let start = mark
        let number = Int.random(in: 100_000...999_999)
        // The shell echoes what is typed; only the output has the number in one piece.
        type("\(command); echo end-$((\(number)))")
        let text = try await wait(from: start) { $0.contains("end-\(number)") }
        guard let end = text.range(of: "end-\(number)") else { return text }
        let lines = text[..<end.lowerBound].split(whereSeparator: \.isNewline)
        return lines.filter { !$0.contains("echo end-") }.joined(separator: "\n")
    }
}

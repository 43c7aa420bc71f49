// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel

/// Looks for mistakes in the texts and numbers of one step, whatever its machine.
struct TextCheck {
    let place: Place

    /// The most that is typed at once: what the channel holds for a guest that reads nothing.
    static let longestTyping = 64 << 10

    func check(_ action: Action, _ findings: inout Findings) {
        switch action {
        case .start, .turnOff, .pause, .resume, .save, .reset, .revert, .apply, .deleteCheckpoint, .renameCheckpoint,
            .attach, .detach, .fork:
            break
        case .shutDown(_, let within, _), .waitForReboot(_, let within): check(within, &findings)
        case .waitForConsole(_, let text, let within):
            check(text, &findings)
            check(within, &findings)
        case .run(_, let command, let expect, let within):
            check(command, &findings)
            check(expect, &findings)
            check(within, &findings)
        case .type(_, let text):
            if text.isEmpty {
                findings.error(.invalidText, place, "the text to type is empty")
            } else if text.utf8.count > Self.longestTyping {
                findings.error(
                    .invalidText, place, "the text to type has \(text.utf8.count) bytes",
                    suggestion: "type at most 64 KiB at once")
            }
        case .exportCheckpoint(_, _, let path, _, _):
            if path.isEmpty {
                findings.error(.invalidText, place, "the path of the folder to make is empty")
            } else if let character = path.unicodeScalars.first(where: \.isControl) {
                findings.error(
                    .invalidText, place, "the path of the folder to make holds the control character \(character.code)")
            }
        case .checkpoint(_, _, _, let notes, _):
            check(notes: notes, of: "checkpoint", &findings)
        case .change(_, let change):
            check(notes: change.notes, of: "machine", &findings)
            if change == Action.Change() {
                findings.error(
                    .invalidValue, place, "there is nothing to change",
                    suggestion: "say memory, processors, arguments or notes")
            }
        }
    }

    private func check(notes: String?, of owner: String, _ findings: inout Findings) {
        let lines = notes?.unicodeScalars.lazy.filter { $0 != "\n" && $0 != "\t" }
        if let character = lines?.first(where: { $0.isControl }) {
            findings.error(
                .invalidText, place, "the \(owner)'s notes hold the control character \(character.code)",
                suggestion: "they are lines of text")
        }
    }

    private func check(_ within: TimeSpan, _ findings: inout Findings) {
        if within.milliseconds == 0 {
            findings.error(.invalidValue, place, "the time to wait is 0", suggestion: "give it at least 1ms")
        } else if within > .longest {
            findings.error(.invalidValue, place, "the time to wait is longer than a year")
        }
    }

    private func check(_ text: Action.ConsoleText, _ findings: inout Findings) {
        switch text {
        case .plain(let text):
            if text.isEmpty { findings.error(.invalidText, place, "the text to wait for is empty") }
        case .pattern(let pattern):
            guard !pattern.isEmpty else {
                findings.error(.invalidPattern, place, "the pattern to wait for is empty")
                return
            }
            do {
                let regex = try Regex(pattern)
                guard try regex.firstMatch(in: "") != nil else { return }
                findings.error(
                    .invalidPattern, place,
                    "the pattern \(pattern.quoted) matches the empty text, so the step would not wait")
            } catch {
                findings.error(
                    .invalidPattern, place,
                    "the pattern \(pattern.quoted) is not a regular expression: \("\(error)".shortened(to: 200))")
            }
        }
    }

    private func check(_ command: Action.Command, _ findings: inout Findings) {
        let words: [String]
        switch command {
        case .shell(let text): words = [text]
        case .arguments(let arguments): words = arguments
        }
        if words.first?.isEmpty ?? true {
            findings.error(.invalidText, place, "the command to run is empty")
        }
        if words.contains(where: { $0.unicodeScalars.contains("\0") }) {
            findings.error(.invalidText, place, "the command to run holds a NUL character")
        }
    }

    private func check(_ expect: Expectation, _ findings: inout Findings) {
        if !(0...255).contains(expect.exitCode) {
            findings.error(
                .invalidValue, place, "the expected exit code is \(expect.exitCode)", suggestion: "give it 0 to 255")
        }
        if expect.contains.contains("") {
            findings.error(.invalidText, place, "a text that the output must contain is empty")
        }
        if expect.lacks.contains("") {
            findings.error(.invalidText, place, "a text that the output must not contain is empty")
        }
    }
}

// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

package import ArgumentParser
import Glibc

/// Runs a command to the end of its process: errors become sentences and exit codes.
package enum ProgramEntry {
    /// Parses the process's arguments, runs what they say, and ends the process.
    package static func run(_ root: (some ParsableCommand).Type) async -> Never {
        do {
            var command = try root.parseAsRoot()
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
            exit(0)
        } catch {
            exit(end(with: error, root))
        }
    }

    /// Says what is to be said of an error, or of a request for help.
    ///
    /// - Returns: the exit code.
    private static func end(with error: any Error, _ root: (some ParsableCommand).Type) -> Int32 {
        let code = root.exitCode(for: error)
        if code == .success {
            do throws(ProgramFailure) {
                try ProgramOutput.data(root.fullMessage(for: error).trimmingNewlines)
                return 0
            } catch {
                for line in error.lines { ProgramOutput.message(line) }
                return error.exitCode
            }
        }
        let failure =
            code == .validationFailure
            ? ProgramFailure(sentence(of: error, root), exitCode: ProgramFailure.wrongUse) : ProgramFailure(error)
        for line in failure.lines { ProgramOutput.message(line) }
        return failure.exitCode
    }

    /// What is wrong with the arguments, and where to read more.
    private static func sentence(of error: any Error, _ root: (some ParsableCommand).Type) -> String {
        let message = root.message(for: error)
        let help = root.fullMessage(for: error).split(separator: "\n")
            .compactMap { $0.firstMatch(of: /See '(.*)' for more information/)?.1 }.last
        let sentence = (message.prefix(1).lowercased() + message.dropFirst()).replacing(". Did", with: "; did")
        return help.map { "\(sentence.trimmingPeriod); see '\($0)'" } ?? sentence
    }
}

extension String {
    fileprivate var trimmingNewlines: String {
        var text = self[...]
        while text.last?.isNewline == true { text.removeLast() }
        return String(text)
    }

    fileprivate var trimmingPeriod: String {
        hasSuffix(".") ? String(dropLast()) : self
    }
}

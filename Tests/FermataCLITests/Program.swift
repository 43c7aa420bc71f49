// Part of Fermata. Licensed under the Apache License 2.0; see LICENSE.
// SPDX-License-Identifier: Apache-2.0

import FermataModel
import Foundation
import Subprocess
import SystemPackage

/// A program of this package, as it was built beside the tests.
struct Program {
    /// What a run ended with.
    struct Result {
        var code: Int32?
        var output: String
        var messages: String

        /// The output as a JSON value.
        var json: JSON {
            get throws { try JSON(parsing: output) }
        }

        /// The messages, line by line.
        var lines: [String] { messages.split(separator: "\n").map(String.init) }
    }

    static let fermata: Program = Program(name: "fermata")
    static let firstLab: Program = Program(name: "first-lab")

    let name: String

    /// The program's file, which lies beside the tests' own.
    var path: FilePath {
        get throws {
            let tests = FilePath(try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe"))
            return tests.removingLastComponent().appending(name)
        }
    }

    /// Runs it to its end, with nothing of the tests' own environment that could change what it says.
    func run(
        _ arguments: [String], in folder: FilePath, environment: [String: String] = [:]
    ) async throws -> Result {
        var variables: [Subprocess.Environment.Key: String] = ["PATH": "/usr/bin:/bin", "HOME": "/nonexistent"]
        for (key, value) in environment { variables[Subprocess.Environment.Key(stringLiteral: key)] = value }
        let result = try await Subprocess.run(
            .path(try path), arguments: Arguments(arguments), environment: .custom(variables), workingDirectory: folder,
            output: .string(limit: 16 << 20), error: .string(limit: 16 << 20))
        return Result(
            code: result.terminationStatus.exitCode, output: result.standardOutput,
            messages: result.standardError)
    }
}

extension TerminationStatus {
    /// The exit code; nil when a signal ended the process.
    var exitCode: Int32? {
        if case .exited(let code) = self { Int32(code) } else { nil }
    }
}
